"""What the tool's tests share: a command line run in a process of its own, and a stack."""

import subprocess
import sys

import pytest

from stackgen.folder import StackFolder


@pytest.fixture
def stackgen(tmp_path):
    """Runs `stackgen` as people do, in tmp_path; the finished process."""

    def run(*arguments, code=0, text=None):
        done = subprocess.run(
            [sys.executable, "-m", "stackgen", *map(str, arguments)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            input=text,
            check=False,
        )
        assert "Traceback" not in done.stdout + done.stderr
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return run


@pytest.fixture
def folder(stackgen, tmp_path):
    """A stack for registry.example.com, as `init --yes` makes it."""
    stackgen("init", "mystack", "--domain", "registry.example.com", "--yes")
    return StackFolder(tmp_path / "mystack")
