"""Acts without a journal, killed at any call that changes a file: the old or the new, and a line in the audit log."""

from __future__ import annotations

import json
import shutil

import pytest

from registry_app.auth.access_file import DEFAULT_ACCESS
from tests.stackgen.killing import stacks_left
from tests.stackgen.secrets.rotating import assert_modes, assert_works

pytestmark = [
    pytest.mark.fault,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed (scripts/prerequisites)"),
]
MINE = DEFAULT_ACCESS.replace(b"[pull, push, delete, catalog]", b"[pull]")


def events(folder):
    """What the audit log tells."""
    if not folder.audit_log.exists():
        return []
    return [(line["event"], line["result"]) for line in map(json.loads, folder.audit_log.read_text().splitlines())]


def test_a_killed_reset_leaves_the_rules_or_the_new_ones_with_the_rules_beside_them(folder, tmp_path):
    """And whoever resets once more loses nothing."""
    folder.access.write_bytes(MINE)
    outcomes = set()
    for left in stacks_left(folder, tmp_path, "access", "reset", "--yes"):
        assert_modes(left)
        rules = left.access.read_bytes()
        outcomes.add(rules)
        if rules != MINE:
            assert rules == DEFAULT_ACCESS
            assert left.access.with_name("access.yaml.old").read_bytes() == MINE
            assert ("access-reset", "begun") in events(left)
        assert_works(left)
    assert outcomes == {MINE, DEFAULT_ACCESS}


def test_a_killed_render_that_makes_users_and_rules_anew_is_done_by_the_next(folder, tmp_path, stackgen):
    """Lost still, or there with the password that the file tells; never open before there is a user."""
    folder.htpasswd.unlink()
    folder.access.unlink()
    folder.admin_password.unlink()
    anew = ("--anew", "secrets/htpasswd", "--anew", "secrets/access.yaml")
    made = 0
    for left in stacks_left(folder, tmp_path, "render", *anew):
        assert_modes(left)
        assert left.access.exists() or not left.htpasswd.exists()
        if left.htpasswd.exists() or left.access.exists():
            made += 1
            assert ("secret-anew", "begun") in events(left)
        if not left.htpasswd.exists():
            stackgen("render", *anew[: 2 if left.access.exists() else 4], left.root)
        assert_works(left)
    assert made > 3
