"""`stackgen users` and `stackgen access`, as people type them."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import sys
import time
from contextlib import suppress

import bcrypt
import pytest

from registry_app.auth.htpasswd import parse_htpasswd


def hashes(folder):
    """The hashes by user that a registry would read."""
    return {user: found[0].text for user, found in parse_htpasswd(folder.htpasswd.read_bytes()).hashes.items()}


def test_users_are_added_changed_listed_and_removed(stackgen, folder):
    """From a pipe or made; the first user and the file's mode stay."""
    stackgen("users", "add", "alice", "mystack", "--password-stdin", text="correct horse\n")
    assert bcrypt.checkpw(b"correct horse", hashes(folder)["alice"])
    made = stackgen("users", "passwd", "alice", "mystack", "--generate").stdout.split("password: ")[1].strip()
    assert bcrypt.checkpw(made.encode(), hashes(folder)["alice"])
    assert [row["name"] for row in json.loads(stackgen("users", "list", "mystack", "--json").stdout)] == [
        "admin",
        "alice",
    ]
    stackgen("users", "remove", "alice", "mystack")
    assert list(hashes(folder)) == ["admin"]
    assert folder.htpasswd.stat().st_mode & 0o777 == 0o640
    events = [json.loads(line)["event"] for line in folder.audit_log.read_text().splitlines()]
    assert events == ["user-add", "user-passwd", "user-remove"]
    assert made not in folder.audit_log.read_text()


def test_changing_the_first_users_password_keeps_its_file_true(stackgen, folder, tmp_path):
    """`cat secrets/admin_password` is what the README tells people to type."""
    (tmp_path / "new").write_text("another one\n")
    stackgen("users", "passwd", "admin", "mystack", "--password-file", tmp_path / "new")
    assert folder.admin_password.read_text() == "another one\n"
    assert folder.admin_password.stat().st_mode & 0o777 == 0o600
    assert bcrypt.checkpw(b"another one", hashes(folder)["admin"])


@pytest.mark.parametrize(
    "words",
    [("stackgen", "users", "add", "alice", "."), ("registry_app", "htpasswd", "-B", "secrets/htpasswd", "alice")],
)
def test_a_password_that_is_typed_in_another_encoding_is_refused_in_words(folder, words):
    """No file of a traceback, and nothing of what was typed is told."""
    process, terminal = pty.fork()
    if not process:
        os.chdir(folder.root)
        os.execv(sys.executable, [sys.executable, "-m", *words])  # noqa: S606
    told, deadline = b"", time.monotonic() + 30
    with os.fdopen(terminal, "r+b", buffering=0) as there, suppress(OSError):  # raised when the other end is closed
        while time.monotonic() < deadline:
            if select.select([there], [], [], 1)[0]:
                told += there.read(4096) or b""
            if told.endswith(b": ") and told.count(b"assword") == 1 and b"not UTF" not in told:
                there.write(b"p\xe4ss\n")
                told += b"\n"
    os.kill(process, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    assert b"what was typed is not UTF-8" in told
    assert code == (1 if words[0] == "stackgen" else 5)
    assert list(hashes(folder)) == ["admin"]


@pytest.mark.parametrize(
    ("arguments", "text", "code", "words"),
    [
        (["add", "admin", "--generate"], None, 1, "a user already"),
        (["add", "a:b", "--generate"], None, 1, "no colon"),
        (["add", "*", "--generate"], None, 1, "begins with a letter"),
        (["add", "../x", "--generate"], None, 1, "begins with a letter"),
        (["add", "a ", "--generate"], None, 1, "no space at its end"),
        (["add", " a", "--generate"], None, 1, "begins with a letter"),
        (["add", "a\u2028b", "--generate"], None, 1, "no control character"),
        (["add", "x" * 256, "--generate"], None, 1, "1 to 255 bytes"),
        (["add", "", "--generate"], None, 1, "1 to 255 bytes"),
        (["add", "alice"], None, 1, "no terminal"),
        (["add", "alice", "--password-stdin"], "x" * 73, 1, "72 at most"),
        (["add", "alice", "--password-stdin"], "", 1, "is empty"),
        (["add", "alice", "--password-stdin"], "a\0b", 1, "NUL"),
        (["add", "alice", "--password-stdin", "--generate"], "x", 2, "choose one of"),
        (["add", "alice", "--password-file", "absent"], None, 1, "can't be read"),
        (["passwd", "admn", "--generate"], None, 1, "did you mean 'admin'"),
        (["remove", "nobody"], None, 1, "no user 'nobody'"),
        (["passwd", "admin", "--generate", "--keep-old", "long"], None, 2, "is no time"),
    ],
)
def test_a_mistake_changes_nothing_and_says_what_to_do(stackgen, folder, arguments, text, code, words):
    """Names, passwords, options."""
    before = folder.htpasswd.read_bytes()
    done = stackgen("users", *arguments[:2], "mystack", *arguments[2:], text=text, code=code)
    assert words in done.stderr
    assert folder.htpasswd.read_bytes() == before


def test_with_the_first_user_goes_what_told_the_password_and_rotation_goes_on(stackgen, folder):
    """`rotate all` changes what is left and names the way to another user's password."""
    stackgen("users", "add", "alice", "mystack", "--generate")
    stackgen("rotate", "password", "mystack", "--keep-old", "1h")
    assert folder.previous_password.exists()
    stackgen("users", "remove", "admin", "mystack")
    assert not folder.admin_password.exists()
    assert not folder.previous_password.exists()
    assert list(hashes(folder)) == ["alice"]
    before = folder.http_secret.read_bytes(), folder.htpasswd.read_bytes()
    told = stackgen("rotate", "all", "mystack")
    assert "stackgen rotate all --user NAME mystack" in told.stderr
    assert folder.http_secret.read_bytes() != before[0]
    assert folder.htpasswd.read_bytes() == before[1]
    for arguments in (("password",), ("all", "--password-stdin")):
        refused = stackgen("rotate", arguments[0], "mystack", *arguments[1:], code=1, text="given")
        assert f"stackgen rotate {arguments[0]} --user NAME mystack" in refused.stderr
    assert folder.htpasswd.read_bytes() == before[1]
    stackgen("rotate", "all", "mystack", "--user", "alice")
    assert folder.htpasswd.read_bytes() != before[1]
    stackgen("users", "add", "admin", "mystack", "--generate")
    stackgen("rotate", "all", "mystack")


def test_after_the_last_user_the_file_says_that_nobody_is_meant(stackgen, folder):
    """An empty one would be taken for an accident, and the users before it would stay in force."""
    assert "nobody can log in" in stackgen("users", "remove", "admin", "mystack").stderr
    assert parse_htpasswd(folder.htpasswd.read_bytes()).hashes == {}
    assert stackgen("users", "list", "mystack").stdout == ""
    stackgen("users", "add", "alice", "mystack", "--generate")
    assert list(hashes(folder)) == ["alice"]


def test_an_emptied_file_is_told_with_the_way_back(stackgen, folder):
    """A full disk, or a careless `>`."""
    password = folder.admin_password.read_bytes().strip()
    folder.htpasswd.write_bytes(b"")
    told = stackgen("users", "list", "mystack", code=1).stderr
    assert "is empty" in told
    assert "stackgen render --anew secrets/htpasswd mystack" in told
    stackgen("render", "--anew", "secrets/htpasswd", "mystack")
    assert bcrypt.checkpw(password, hashes(folder)["admin"])


def test_access_explains_a_decision(stackgen, folder):
    """With the line of the rule, and with the exit code for scripts."""
    assert "allowed: the rule on line" in stackgen("access", "check", "admin", "push", "a/b", "mystack").stdout
    done = stackgen("access", "check", "anonymous", "pull", "a/b", "mystack", code=1)
    assert done.stdout.startswith("denied: no rule names an anonymous caller")
    assert (
        "can't be a repository's name" in stackgen("access", "check", "admin", "pull", "a:v1", "mystack", code=1).stderr
    )
    for name in ("*", "a:b", " a", "x" * 256):
        assert "is no user name" in stackgen("access", "check", name, "pull", "a/b", "mystack", code=1).stderr
    assert "no user 'eve' yet" in stackgen("access", "check", "eve", "pull", "a", "mystack").stderr


def test_access_reports_every_mistake_and_can_begin_anew(stackgen, folder):
    """The file as it was is kept."""
    folder.access.write_text("version: 1\nrules:\n- {users: [a], repositories: [A], actions: [fly]}\n")
    done = stackgen("access", "validate", "mystack", code=1)
    assert done.stderr.count("line 3") == 2
    assert "last good rules" in done.stderr
    stackgen("access", "reset", "mystack", "--yes")
    assert "1 rules" in stackgen("access", "validate", "mystack").stdout
    assert "fly" in folder.access.with_name("access.yaml.old").read_text()
    folder.access.unlink()
    assert "--anew secrets/access.yaml" in stackgen("access", "list", "mystack", code=1).stderr


def test_rules_that_were_kept_outlast_a_second_reset(stackgen, folder):
    """It has nothing to keep; the act has its lines all the same."""
    mine = folder.access.read_text().replace("[pull, push, delete, catalog]", "[pull]")
    folder.access.write_text(mine)
    for _ in range(2):
        stackgen("access", "reset", "mystack", "--yes")
    assert folder.access.with_name("access.yaml.old").read_text() == mine
    told = [json.loads(line) for line in folder.audit_log.read_text().splitlines()]
    assert [(line["event"], line["result"]) for line in told] == [
        ("access-reset", "begun"),
        ("access-reset", "done"),
    ] * 2


def test_every_act_has_its_lines_and_what_changed_nothing_has_none(stackgen, folder):
    """Who and from where, before it begins and when it has ended."""
    for arguments in (
        ("enable", "observability", "mystack"),
        ("enable", "observability", "mystack"),
        ("disable", "observability", "mystack"),
        ("render", "mystack"),
        ("plan", "mystack"),
    ):
        stackgen(*arguments)
    folder.env.write_text(folder.env.read_text().replace("registry.example.com", "other.example.com"))
    stackgen("render", "mystack")
    told = [json.loads(line) for line in folder.audit_log.read_text().splitlines()]
    acts = ["enable", "disable", "certificate-anew", "render"]
    assert [(line["event"], line["result"]) for line in told] == [(a, r) for a in acts for r in ("begun", "done")]
    assert all(line["user"] and line["address"] for line in told)
    assert "compose.yaml" in told[-1]["subject"]


def test_rendering_never_brings_open_rules_back(stackgen, folder):
    """Rules that vanished are reported, not replaced by those that let everyone do everything."""
    folder.access.unlink()
    assert "--anew secrets/access.yaml" in stackgen("render", "mystack", code=1).stderr
    assert not folder.access.exists()


def test_nobody_is_called_as_those_who_do_not_log_in(stackgen, folder):
    """`access check anonymous` could not tell them apart."""
    told = stackgen("users", "add", "anonymous", "mystack", "--generate", code=1).stderr
    assert "stands for callers who do not log in" in told
    assert "callers who do not log in" in stackgen("init", "other", "--yes", "--admin-user", "anonymous", code=1).stderr


def test_next_names_the_login_that_works(stackgen, folder):
    """The first user's while there is one, with the file of the password while that is there; else another's."""
    assert "cat secrets/admin_password" in stackgen("next", "mystack").stdout
    folder.admin_password.unlink()
    told = stackgen("next", "mystack").stdout
    assert "stackgen users passwd admin\n" in told
    assert "cat secrets/admin_password" not in told
    stackgen("users", "remove", "admin", "mystack")
    told = stackgen("next", "mystack")
    assert "stackgen users add admin\n" in told.stdout
    assert "docker login" not in told.stdout
    stackgen("users", "add", "alice", "mystack", "--generate")
    told = stackgen("next", "mystack").stdout
    assert "docker login -u alice registry.example.com" in told
    assert "-u admin" not in told
