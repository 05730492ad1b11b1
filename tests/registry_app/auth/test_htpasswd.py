"""htpasswd files: what counts, what is reported, and changes that leave the rest alone."""

from __future__ import annotations

import shutil
import subprocess
import time
from codecs import BOM_UTF8

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_app.auth.htpasswd import (
    Users,
    find_hash,
    hash_password,
    parse_htpasswd,
    with_user,
    without_previous,
    without_user,
)
from registry_app.auth.user_names import check_user_name
from registry_app.auth.watched import FileRefusedError

HASH = "$2y$05$" + "." * 21 + "O" + "a" * 31
OTHER = "$2b$06$" + "." * 21 + "u" + "b" * 31


@pytest.mark.parametrize("prefix", ["$2a$", "$2b$", "$2y$"])
def test_every_kind_of_bcrypt_that_registry_2_takes_counts(prefix):
    """The three prefixes mean the same algorithm."""
    users = parse_htpasswd(f"alice:{prefix}{HASH[4:]}\n".encode())
    assert users.valid("alice", 0)[0].text.decode() == prefix + HASH[4:]
    assert not users.problems


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"alice", "not of the form"),
        (b":" + HASH.encode(), "not of the form"),
        (b"alice:secret", "no bcrypt hash"),
        (b"alice:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "no bcrypt hash"),
        (b"alice:$apr1$abc$def", "no bcrypt hash"),
        (b"alice:" + HASH[:-1].encode(), "no bcrypt hash"),
        (b"alice:" + HASH.encode() + b" trailing", "no bcrypt hash"),
        (b"alice:$2x" + HASH[3:].encode(), "no bcrypt hash"),
        (b"alice:$2y$31" + HASH[6:].encode(), "cost outside"),
        (b"\xff:" + HASH.encode(), "not UTF-8"),
        (b"#previous soon alice:" + HASH.encode(), "no time like"),
        (b"al\0ice:" + HASH.encode(), "control character"),
        (b"\0alice:" + HASH.encode(), "begins with a letter"),
        (b"alice :" + HASH.encode(), "no space"),
        (b"*:" + HASH.encode(), "begins with a letter"),
        (b"x" * 256 + b":" + HASH.encode(), "1 to 255 bytes"),
    ],
)
def test_a_broken_line_is_reported_by_number_and_lets_nobody_in(line, problem):
    """Other lines go on; the report never shows what the line holds."""
    users = parse_htpasswd(b"# comment\n\n" + line + b"\nbob:" + OTHER.encode() + b"\r\n")
    assert list(users.hashes) == ["bob"]
    assert users.problems[0].startswith("line 3 ")
    assert problem in users.problems[0]
    assert "secret" not in users.problems[0]


def test_a_file_of_nothing_but_broken_lines_is_refused_whole():
    """So that the last good users stay in force."""
    with pytest.raises(FileRefusedError, match="line 1"):
        parse_htpasswd(b"\x00\x01 rubbish")


@pytest.mark.parametrize("content", [b"", b"\n", b"  \n\r\n", BOM_UTF8, BOM_UTF8 + b"\n"])
def test_an_empty_file_is_an_accident_and_a_comment_alone_is_not(content):
    """Nobody is let in by either at a start; but after the one the last good users stay in force."""
    with pytest.raises(FileRefusedError, match="begins with #"):
        parse_htpasswd(content)
    assert parse_htpasswd(content + b"# nobody\n") == Users()
    assert parse_htpasswd(without_user(f"alice:{HASH}\n".encode(), "alice")) == Users()


def test_the_mark_that_some_editors_put_first_hides_no_user():
    """Neither from the registry nor from a change: a removed user must not stay behind it."""
    text = BOM_UTF8 + f"alice:{HASH}\nbob:{OTHER}\n".encode()
    assert set(parse_htpasswd(text).hashes) == {"alice", "bob"}
    assert not parse_htpasswd(text).problems
    assert set(parse_htpasswd(without_user(text, "alice")).hashes) == {"bob"}
    assert parse_htpasswd(with_user(text, "alice", OTHER)).hashes["alice"][0].text.decode() == OTHER
    assert not parse_htpasswd(with_user(text, "alice", OTHER)).problems


def test_the_same_change_once_more_only_sets_the_time():
    """A rotation that is finished after an interruption must not lose the password before."""
    first = with_user(f"alice:{HASH}\n".encode(), "alice", OTHER, previous_until=1_900_000_000)
    again = with_user(first, "alice", OTHER, previous_until=1_800_000_000)
    assert [h.text.decode() for h in parse_htpasswd(again).hashes["alice"]] == [OTHER, HASH]
    assert parse_htpasswd(again).hashes["alice"][1].until == 1_800_000_000
    assert b"#previous" not in with_user(again, "alice", OTHER)


def test_the_last_line_of_a_name_wins_and_the_repetition_is_reported():
    """As in distribution."""
    users = parse_htpasswd(f"a:{HASH}\na:{OTHER}\n".encode())
    assert users.hashes["a"][0].text.decode() == OTHER
    assert "line 2" in users.problems[0]


def test_a_replaced_password_counts_until_its_time_and_other_readers_skip_it():
    """Both generations of a password are valid for a while."""
    text = with_user(f"# ours\nalice:{HASH}\nbob:{HASH}\n".encode(), "alice", OTHER, previous_until=1_900_000_000)
    users = parse_htpasswd(text)
    assert [h.text.decode() for h in users.valid("alice", 1_899_999_999)] == [OTHER, HASH]
    assert [h.text.decode() for h in users.valid("alice", 1_900_000_000)] == [OTHER]
    assert text.startswith(b"# ours\nbob:")
    assert all(line.startswith(b"#") for line in text.splitlines() if HASH.encode() in line and b"alice" in line)
    assert find_hash(without_previous(text), "alice") == OTHER
    assert without_previous(text, expired_at=1_899_999_999) == text
    assert b"#previous" not in without_previous(text, expired_at=1_900_000_000)


def test_what_a_check_must_cost_is_found_out_once_however_many_users_there_are():
    """Every failed login asks for it: of thousands of users it must not be counted each time."""
    lines = [f"user{number}:{HASH}\n" for number in range(5000)]
    users = parse_htpasswd("".join([*lines, f"#previous 2030-01-31T12:00:00Z user7:{HASH}\n"]).encode())
    before, after = 1_800_000_000.0, 2_000_000_000.0
    assert users.most_work(before) == 2 * users.most_work(after) == 2 * users.hashes["user1"][0].work
    began = time.perf_counter()
    for _ in range(100):
        users.most_work(before)
    assert time.perf_counter() - began < 0.1


def test_removing_a_user_removes_every_trace_and_nothing_else():
    """Replaced hashes go too; a second removal says that there is no such user."""
    text = with_user(f"# c\nalice:{HASH}\nbob:{HASH}\n".encode(), "alice", OTHER, previous_until=1_900_000_000)
    assert without_user(text, "alice") == f"# c\nbob:{HASH}\n".encode()
    with pytest.raises(KeyError):
        without_user(without_user(text, "alice"), "alice")
    with pytest.raises(KeyError):
        without_user(b"", "alice")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a:b",
        "#a",
        " a",
        "a ",
        "a\u00a0b",
        "a\nb",
        "a\0",
        "x" * 256,
        "é" * 128,
        "*",
        "-x",
        "../x",
        "a\u2028b",
        "\ufeffa",
    ],
)
def test_names_that_no_htpasswd_file_can_hold_are_refused(name):
    """Before anything is written; nor one that a rule, a shell or a person would take for something else."""
    with pytest.raises(ValueError, match="user name"):
        check_user_name(name)


@pytest.mark.parametrize(
    "name", ["a", "alice@example.com", "robot$ci+build", "päivi", "_ci", "7", "Ann Müller $x", "team/ci", "x" * 255]
)
def test_names_that_people_and_robots_have_are_taken(name):
    """Mail addresses, robots of other registries, other alphabets."""
    check_user_name(name)


@pytest.mark.parametrize("password", [b"", b"x" * 73, b"a\0b"])
def test_passwords_that_bcrypt_would_confuse_are_refused(password):
    """Empty, longer than 72 bytes, with NUL."""
    with pytest.raises(ValueError, match="password"):
        hash_password(password)


@given(
    st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=20),
    st.binary(max_size=200),
)
def test_setting_a_user_keeps_all_other_users_whatever_the_file_holds(name, junk):
    """Whatever stands in the file: a user set is a user found, and bob stays."""
    try:
        check_user_name(name)
    except ValueError:
        return
    text = with_user(junk + f"\nbob:{OTHER}\n".encode(), name, HASH)
    users = parse_htpasswd(text)
    assert users.hashes[name][0].text.decode() == HASH
    assert name == "bob" or users.hashes["bob"][0].text.decode() == OTHER


@pytest.mark.skipif(not shutil.which("htpasswd"), reason="needs Apache's htpasswd (apache2-utils)")
def test_apaches_htpasswd_and_ours_read_each_others_files(tmp_path):
    """A file that either wrote is good for the other."""
    path = tmp_path / "htpasswd"
    subprocess.run(["htpasswd", "-Bbc", "-C", "4", path, "alice", "päss"], check=True, capture_output=True)
    stored = parse_htpasswd(path.read_bytes()).hashes["alice"][0].text
    assert bcrypt.checkpw("päss".encode(), stored)
    path.write_bytes(with_user(path.read_bytes(), "bob", hash_password(b"other", 4), previous_until=9e9))
    subprocess.run(["htpasswd", "-vb", path, "bob", "other"], check=True, capture_output=True)
