"""A rotation killed at any of its system calls that change something, by strace, leaves a stack that works."""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass

import pytest

from registry_app.auth.htpasswd import parse_htpasswd
from stackgen.env_file import load_settings
from stackgen.rotation.journal import resume
from stackgen.writing import exclusive
from tests.stackgen.secrets.rotating import assert_modes, assert_works

STRACE = shutil.which("strace")
CALLS = (
    "rename", "renameat", "renameat2", "fsync", "symlink", "symlinkat", "link", "mkdir", "unlink", "unlinkat", "rmdir",
    "chmod", "fchmod", "chown", "fchown", "ftruncate", "write",
)  # fmt: skip
STRIDE = int(os.environ.get("STACKGEN_KILL_STRIDE", "5"))
"""Every how many calls one is killed at; with 1, which takes many minutes, every case below is run."""
SAMPLE = ("password", "http-secret", "tls", "ca")

log = logging.getLogger(__name__)
pytestmark = [pytest.mark.fault, pytest.mark.skipif(not STRACE, reason="needs strace")]


@dataclass(frozen=True, slots=True)
class Case:
    """One command that is killed, and the commands that come before it."""

    killed: tuple[str, ...]
    before: tuple[tuple[str, ...], ...] = ()
    own_certificate: bool = False


KEPT = ("--keep-old", "1h")
CASES = {
    "password": Case(("rotate", "password", *KEPT)),
    "password, the old one ends": Case(("rotate", "password")),
    "password, the old one for a minute": Case(("rotate", "password", "--keep-old", "60s")),
    "password of another user": Case(
        ("users", "passwd", "ci", "--generate"), before=(("users", "add", "ci", "--generate"),)
    ),
    "http-secret": Case(("rotate", "http-secret", *KEPT)),
    "tls": Case(("rotate", "tls")),
    "tls, a second time": Case(("rotate", "tls"), before=(("rotate", "tls"), ("rotate", "tls"))),
    "tls, own": Case(("rotate", "tls", "--cert", "own.pem", "--key", "own.key"), own_certificate=True),
    "ca": Case(("rotate", "ca", *KEPT)),
    "all": Case(("rotate", "all", *KEPT)),
    "password, undone": Case(("rotate", "password", "--undo"), before=(("rotate", "password", *KEPT),)),
    "http-secret, undone": Case(("rotate", "http-secret", "--undo"), before=(("rotate", "http-secret", *KEPT),)),
    "tls, undone": Case(("rotate", "tls", "--undo"), before=(("rotate", "tls"),)),
    "ca, undone": Case(("rotate", "ca", "--undo"), before=(("rotate", "ca"),)),
    "user added": Case(("users", "add", "eve", "--generate")),
    "user removed": Case(("users", "remove", "ci"), before=(("users", "add", "ci", "--generate"),)),
    "first user removed": Case(("users", "remove", "admin"), before=(("rotate", "password", *KEPT),)),
}


def stackgen(root, *arguments, wrapper=()):
    """One command in a process of its own, in the stack's folder."""
    return subprocess.run(
        [*wrapper, sys.executable, "-m", "stackgen", *arguments], cwd=root, capture_output=True, check=False
    )


@pytest.mark.parametrize("name", CASES if STRIDE == 1 else SAMPLE)
def test_killed_anywhere_a_rotation_leaves_the_old_or_the_new_and_is_finished_by_the_next(folder, name, tmp_path):
    """Key and certificate of a pair, a password that its file tells, readable secrets, tight modes."""
    case = CASES[name]
    prepare(folder, case)
    pristine = tmp_path / "pristine"
    shutil.copytree(folder.root, pristine, symlinks=True)
    calls = count_calls(folder, case)
    killed = [(call, number) for call, count in calls.items() for number in range(1, count + 1, STRIDE)]
    for call, number in killed:
        restore(folder, pristine)
        kill(folder, case, call, number)
    assert len(calls) >= 4
    log.info("%s: killed %s times of %s calls: %s", name, len(killed), calls.total(), dict(calls))


def prepare(folder, case):
    """The stack as it is before the command."""
    if case.own_certificate:
        for name, source in (("own.pem", "fullchain.pem"), ("own.key", "privkey.pem")):
            shutil.copy(folder.root / "certs" / source, folder.root / name)
        assert stackgen(folder.root, "rotate", "tls").returncode == 0
        folder.env.write_text(folder.env.read_text().replace("TLS=local", "TLS=own"))
    for arguments in case.before:
        done = stackgen(folder.root, *arguments)
        assert done.returncode == 0, done.stderr


def restore(folder, pristine):
    """The stack as it was."""
    shutil.rmtree(folder.root)
    shutil.copytree(pristine, folder.root, symlinks=True)


def count_calls(folder, case):
    """How often an undisturbed run makes each call that changes something; what it starts (docker) is not counted."""
    trace = folder.root.parent / "trace"
    wrapper = (STRACE, "-f", "-qq", "-o", str(trace), "-e", f"trace={','.join(f'?{call}' for call in CALLS)}")
    done = stackgen(folder.root, *case.killed, wrapper=wrapper)
    assert done.returncode == 0, done.stderr
    assert_works(folder)
    assert_modes(folder)
    made = re.findall(r"^(\d+) +(\w+)\(", trace.read_text(errors="replace"), re.MULTILINE)
    return Counter(call for process, call in made if process == made[0][0])


def kill(folder, case, call, number):
    """One command killed at the number-th call of a kind, looked at, and finished."""
    injection = f"inject={call}:signal=SIGKILL:when={number}"
    wrapper = (STRACE, "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", injection)
    done = stackgen(folder.root, *case.killed, wrapper=wrapper)
    assert done.returncode != 0, (call, number)
    assert_works(folder)
    assert_modes(folder)
    with exclusive(folder):
        resume(folder, load_settings(folder))
    assert_works(folder)
    assert_modes(folder)
    assert not folder.rotation_journal.exists()
    users = parse_htpasswd(folder.htpasswd.read_bytes()).hashes
    assert folder.admin_password.exists() == ("admin" in users)
