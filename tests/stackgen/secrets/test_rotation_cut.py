"""A rotation that stops in the middle."""

from __future__ import annotations

import json

import bcrypt
import pytest

from registry_app.auth.htpasswd import parse_htpasswd
from stackgen.env_file import load_settings
from stackgen.rotation import journal
from tests.stackgen.secrets.rotating import assert_works, fresh_plan, plans


class PowerCut(BaseException):
    """Ends a rotation between two steps."""


@pytest.mark.parametrize(
    "kind",
    [
        "password",
        "http-secret",
        "tls",
        "ca",
        "password, at once",
        "password, a minute",
        "password, back",
        "http-secret, back",
    ],
)
def test_a_rotation_that_stops_between_any_two_steps_leaves_a_stack_that_works_and_is_finished_later(
    folder, tmp_path, kind
):
    """Old or new, never half; and the next command brings the new one."""
    settings = load_settings(folder)
    for stop in range(len(fresh_plan(folder, settings, kind).steps) + 1):
        rotation = fresh_plan(folder, settings, kind)
        done = []

        class Step:
            def __init__(self, step, done=done, stop=stop):
                self.step, self.done, self.stop = step, done, stop
                self.to_json = step.to_json

            def carry_out(self, root):
                if len(self.done) == self.stop:
                    raise PowerCut
                self.step.carry_out(root)
                self.done.append(self.step)

        cut = journal.Rotation(
            rotation.title, tuple(map(Step, rotation.steps)), rotation.back, records=rotation.records
        )
        try:
            journal.carry_out(folder, settings, cut)
        except PowerCut:
            assert_works(folder)
            assert journal.resume(folder, settings).title == rotation.title
        assert_works(folder)
        assert journal.resume(folder, settings) is None


def test_users_who_came_between_a_crash_and_its_recovery_stay(folder, stackgen):
    """A rotation changes its own user alone."""
    settings = load_settings(folder)
    rotation = plans(folder, settings)["password"]
    folder.rotation_journal.write_text(json.dumps(journal._to_json(rotation)))
    assert "interrupted" in stackgen("rotate", "--status", "mystack").stderr
    with folder.htpasswd.open("a") as file:
        file.write("eve:" + bcrypt.hashpw(b"x", bcrypt.gensalt(4)).decode() + "\n")
    assert "finished what was interrupted" in stackgen("rotate", "http-secret", "mystack").stdout
    assert set(parse_htpasswd(folder.htpasswd.read_bytes()).hashes) == {"admin", "eve"}
    assert folder.admin_password.read_text() == "new password\n"
