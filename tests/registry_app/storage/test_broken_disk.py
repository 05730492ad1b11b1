"""A disk with errors: whoever asks whether pushes are taken gets a reason, not an error of his own."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

ASK = """
import sys
from pathlib import Path
from registry_app.storage import open_storage
print(open_storage(Path(sys.argv[1])).why_unwritable())
"""


@pytest.mark.fault
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_a_folder_that_the_disk_does_not_read_is_a_reason_not_to_take_pushes(tmp_path):
    """Readiness says so, and the metric on which the alert stands is 0 instead of gone."""
    top = tmp_path / "docker/registry/v2"
    done = subprocess.run(
        ["strace", "-f", "-qq", "-o", "/dev/null", "-P", top, "-e", "trace=getdents64", "-e", "inject=getdents64:error=EIO",
         sys.executable, "-c", ASK, tmp_path],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout == f"the storage folder can't be used: Input/output error: {top}\n"
