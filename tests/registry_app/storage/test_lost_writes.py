"""The kernel tells a lost write once: whoever hears of it must not go on as if nothing had happened."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

RECEIVE = """
import os, sys
from registry_app.storage.receiving import CHUNK, RunningHash, receive

class Body:
    left = 40
    def read(self, size):
        self.left -= 1
        if self.left < 0:
            if sys.argv[2] == "broken":
                raise ConnectionResetError("gone")
            return b""
        return bytes(size)

file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
body = Body()
try:
    receive(body.read(CHUNK), body, file, running=RunningHash.start("sha256"), require_room=lambda: None)
except OSError as error:
    print(type(error).__name__)
else:
    print("taken")
"""


@pytest.mark.fault
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("end", ["whole", "broken"])
@pytest.mark.parametrize(("fault", "heard"), [("error=EIO", True), ("delay_enter=1", False)])
def test_a_write_lost_while_a_body_arrives_ends_the_upload(tmp_path, end, fault, heard):
    """Written back beside the body, also when the client goes away at the same time."""
    done = subprocess.run(
        ["strace", "-f", "-qq", "-o", tmp_path / "trace", "-e", "trace=fdatasync", "-e", f"inject=fdatasync:{fault}:when=1",
         sys.executable, "-c", RECEIVE, tmp_path / "data", end],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    otherwise = "ConnectionResetError" if end == "broken" else "taken"
    assert done.stdout.strip() == ("LostWriteError" if heard else otherwise)
