"""A rotation killed at any of its system calls that change something, by strace, leaves a stack that works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass

import pytest

from registry_app.auth.htpasswd import parse_htpasswd
from stackgen.env_file import load_settings
from stackgen.rotation.journal import resume
from stackgen.writing import exclusive
from tests.stackgen.killing import stacks_left
from tests.stackgen.secrets.rotating import assert_modes, assert_works

SAMPLE = ("password", "http-secret", "tls", "ca")
# All cases take several minutes; STACKGEN_KILL_STEP=1 tries them.
STEP = int(os.environ.get("STACKGEN_KILL_STEP", "0"))
pytestmark = [
    pytest.mark.fault,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed (scripts/prerequisites)"),
]


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


@pytest.mark.parametrize("name", CASES if STEP else SAMPLE)
def test_killed_anywhere_a_rotation_leaves_the_old_or_the_new_and_is_finished_by_the_next(folder, name, tmp_path):
    """Key and certificate of a pair, a password that its file tells, readable secrets, tight modes."""
    case = CASES[name]
    prepare(folder, case)
    for left in stacks_left(folder, tmp_path, *case.killed):
        assert_works(left)
        assert_modes(left)
        with exclusive(left):
            resume(left, load_settings(left))
        assert_works(left)
        assert_modes(left)
        assert not left.rotation_journal.exists()
        users = parse_htpasswd(left.htpasswd.read_bytes()).hashes
        assert left.admin_password.exists() == ("admin" in users)


def prepare(folder, case):
    """The stack as it is before the command."""
    if case.own_certificate:
        for name, source in (("own.pem", "fullchain.pem"), ("own.key", "privkey.pem")):
            shutil.copy(folder.root / "certs" / source, folder.root / name)
        run(folder, "rotate", "tls")
        folder.env.write_text(folder.env.read_text().replace("TLS=local", "TLS=own"))
    for arguments in case.before:
        run(folder, *arguments)


def run(folder, *arguments):
    """One command in a process of its own, in the stack's folder."""
    done = subprocess.run(
        [sys.executable, "-m", "stackgen", *arguments], cwd=folder.root, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
