"""A rotation killed at any of its system calls that change something, by strace, leaves a stack that works."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys

import pytest

from tests.stackgen.secrets.test_rotation import assert_works

STRACE = shutil.which("strace")
CALLS = ("rename", "fsync", "symlink", "mkdir", "unlink", "fchmod", "write")
STRIDE = int(os.environ.get("STACKGEN_KILL_STRIDE", "5"))
"""Every how many calls one is killed at; 1 takes minutes."""

log = logging.getLogger(__name__)
pytestmark = [pytest.mark.fault, pytest.mark.skipif(not STRACE, reason="needs strace")]


def rotate(folder, kind, *wrapper):
    """One rotation in a process of its own."""
    return subprocess.run(
        [*wrapper, sys.executable, "-m", "stackgen", "rotate", kind, folder.root, "--keep-old", "1h"],
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize("kind", ["password", "http-secret", "tls", "ca"])
def test_killed_anywhere_a_rotation_leaves_the_old_or_the_new_and_is_finished_by_the_next(folder, kind, tmp_path):
    """Key and certificate of a pair, one of the passwords valid, readable secrets."""
    pristine = tmp_path / "pristine"
    shutil.copytree(folder.root, pristine, symlinks=True)
    killed = 0
    for call in CALLS:
        number = 1
        while kill(folder, pristine, kind, call, number):
            killed += 1
            number += STRIDE
    assert killed >= 4
    log.info("%s: killed %s times, at every call of each kind in steps of %s", kind, killed, STRIDE)


def kill(folder, pristine, kind, call, number):
    """One rotation killed at the number-th call of a kind, looked at, and finished; False if it ended before that."""
    shutil.rmtree(folder.root)
    shutil.copytree(pristine, folder.root, symlinks=True)
    injection = f"inject={call}:signal=SIGKILL:when={number}"
    done = rotate(folder, kind, STRACE, "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", injection)
    assert_works(folder)
    if done.returncode == 0:
        return False
    assert rotate(folder, "http-secret").returncode == 0
    assert_works(folder)
    assert not folder.rotation_journal.exists()
    return True
