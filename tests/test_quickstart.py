"""The README's first command, as someone types it after a clone, on a machine without a Docker Engine."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

QUICKSTART = Path(__file__).parents[1] / "scripts" / "quickstart"

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where the stack shall lie; what runs from it in the background ends with the test."""
    yield tmp_path / "first look"
    pid_file = tmp_path / "first look" / ".stackgen" / "serve.pid"
    if pid_file.exists():
        pid = int(pid_file.read_text())
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 30
        while _runs(pid) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not _runs(pid)


def test_quickstart_without_docker(folder: Path) -> None:
    """It makes a stack, starts it embedded, proves it, and tells address, user, password and what to type next."""
    said = _quickstart(folder)
    assert re.search(r"^Address   https://localhost:\d+$", said, re.MULTILINE)
    assert re.search(r"^User      admin$", said, re.MULTILINE)
    assert f"Password  in {folder}/secrets/admin_password" in said
    assert len(re.findall(r"^  sha256:[0-9a-f]{64}$", said, re.MULTILINE)) == 3
    assert len(re.findall(r"^  [^#\s]", said.partition("Next:")[2], re.MULTILINE)) == 3

    again = _quickstart(folder)
    assert "is a stack already" in again
    assert len(re.findall(r"^  sha256:[0-9a-f]{64}$", again, re.MULTILINE)) == 3


def _quickstart(folder: Path) -> str:
    done = subprocess.run(
        [QUICKSTART, folder, "--embedded"], capture_output=True, text=True, timeout=180, check=False, cwd=folder.parent
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _runs(pid: int) -> bool:
    """Whether a process is there and is no zombie."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False
