"""The htpasswd command, with what people type in the image of registry:2."""

from __future__ import annotations

import os

import bcrypt
import pytest
from click.testing import CliRunner

from registry_app.cli.htpasswd import command


def run(*arguments, typed=None):
    """Result of the command."""
    return CliRunner().invoke(command, ["-C", "4", *map(str, arguments)], input=typed)


def right(line, password):
    """Whether a line holds the password."""
    return bcrypt.checkpw(password.encode(), line.partition(":")[2].strip().encode())


def test_the_line_of_every_tutorial_prints_a_bcrypt_entry():
    """`htpasswd -Bbn user password` prints the line and an empty one, as Apache's does."""
    result = run("-Bbn", "alice", "se cret")
    assert result.exit_code == 0
    assert result.stdout.startswith("alice:$2b$04$")
    assert result.stdout.endswith("\n\n")
    assert right(result.stdout.strip(), "se cret")


@pytest.mark.parametrize("password", ["-secret", "--help", "-B", "--"])
def test_a_password_may_begin_with_a_dash(password):
    """As generated ones do: what stands behind the name of the user is no flag."""
    result = run("-Bbn", "alice", password)
    assert (result.exit_code, right(result.stdout.strip(), password)) == (0, True)


def test_a_file_is_created_changed_checked_and_emptied_of_a_user(tmp_path):
    """-c creates, a second call adds, the same user is replaced in place, -v checks, -D removes."""
    file = tmp_path / "htpasswd"
    assert run("-cbB", file, "alice", "one").exit_code == 0
    assert run("-bB", file, "bob", "two").exit_code == 0
    assert run("-iB", file, "alice", typed="three\n").exit_code == 0
    lines = file.read_text().splitlines()
    assert [line.partition(":")[0] for line in lines] == ["alice", "bob"]
    assert right(lines[0], "three")
    assert run("-vb", file, "alice", "three").exit_code == 0
    assert run("-vb", file, "alice", "one").exit_code == 3
    assert run("-D", file, "alice").exit_code == 0
    assert [line.partition(":")[0] for line in file.read_text().splitlines()] == ["bob"]
    assert file.stat().st_mode & 0o777 == 0o640
    assert run("-D", file, "bob").exit_code == 0
    assert file.read_text().startswith("# no users")


@pytest.mark.parametrize("arguments", [("-D",), ("-bB",), ("-iB",)])
def test_a_password_that_was_kept_for_a_while_ends_with_a_change_or_removal(tmp_path, arguments):
    """It would come back with the next user of that name, or outlast a change that is meant to shut somebody out."""
    file = tmp_path / "htpasswd"
    stored = run("-bn", "alice", "old").stdout.strip()
    kept = f"#previous 2099-01-01T00:00:00Z {stored.replace('alice', '{}')}".format
    file.write_text(f"{stored}\n{kept('alice')}\n{kept('bob')}\n# a comment\n")
    assert run(*arguments, file, "alice", *(["x"] if "b" in arguments[0] else []), typed="x\n").exit_code == 0
    assert [line for line in file.read_text().splitlines() if line.startswith("#")] == [kept("bob"), "# a comment"]


def test_of_several_lines_of_one_name_none_outlasts_a_change_or_a_removal(tmp_path):
    """A registry takes the last of them, also one that is indented or broken: whoever was to go would stay."""
    file = tmp_path / "htpasswd"
    first, last = (run("-bn", "alice", password).stdout.strip() for password in ("first", "last"))
    text = f"bob:x\n{first}\n#alice:x\n  {last}\nalice:broken\n"
    file.write_text(text)
    assert run("-vb", file, "alice", "first").exit_code == 3
    file.write_text(text.replace("alice:broken\n", ""))
    assert run("-vb", file, "alice", "last").exit_code == 0
    assert run("-bB", file, "alice", "new").exit_code == 0
    lines = file.read_text().splitlines()
    assert [line.partition(":")[0] for line in lines] == ["bob", "alice", "#alice"]
    assert right(lines[1], "new")
    file.write_text(text)
    assert run("-D", file, "alice").exit_code == 0
    assert file.read_text() == "bob:x\n#alice:x\n"


def test_owner_and_mode_of_the_file_stay(tmp_path):
    """A registry that runs as somebody else reads it by its group."""
    file = tmp_path / "htpasswd"
    file.write_text("")
    groups = range(2) if os.geteuid() == 0 else os.getgroups()
    for group in groups:
        os.chown(file, -1, group)
        file.chmod(0o440)
        assert run("-bB", file, "alice", "x").exit_code == 0
        assert (file.stat().st_gid, file.stat().st_mode & 0o777) == (group, 0o440)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["-mbn", "alice", "x"], 2, "bcrypt alone"),
        (["-bn", "a:b", "x"], 6, "colon"),
        (["-bn", "*", "x"], 6, "begins with a letter"),
        (["-bn", "alice", "x" * 73], 5, "72 bytes"),
        (["-bn", "alice"], 2, "wrong number"),
        (["-b", "missing", "alice", "x"], 1, "-c to create"),
    ],
)
def test_what_cannot_work_is_refused_with_a_reason(arguments, code, words, tmp_path, monkeypatch):
    """Exit codes are Apache's."""
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert (result.exit_code, words in result.stderr) == (code, True), result.stderr
