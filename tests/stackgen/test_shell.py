"""What is printed to be typed comes out of a shell as it was meant, whatever the stack's folder is called."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackgen.errors import StackgenError
from stackgen.folder import StackFolder
from stackgen.shell import compose_line, printable, shell_line, stackgen_line, way_to_stackgen

ODD = "a $HOME; #1 `stack`"
WORD = shlex.quote(ODD)


@given(words=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=1))
def test_every_word_comes_out_as_it_went_in(words):
    """As Python's own splitting of shell lines reads it."""
    assert shlex.split(shell_line(*words)) == words


def test_a_path_is_no_option():
    """A folder may begin with a dash."""
    assert shell_line("cd", Path("-rf")) == "cd ./-rf"
    assert stackgen_line(StackFolder(Path("-s")), "render") == "stackgen render ./-s"


def test_the_present_folder_is_not_named():
    """The line is as short as can be."""
    assert stackgen_line(StackFolder(Path()), "render") == "stackgen render"
    assert compose_line(StackFolder(Path()), "up") == "docker compose up"
    assert compose_line(StackFolder(Path("a b")), "up") == "cd 'a b' && docker compose up"


@pytest.mark.parametrize("name", ["two\nlines", "a\tb", "bell\a", "esc\x1b[31m"])
def test_a_name_that_no_line_can_hold_is_refused(stackgen, tmp_path, name):
    """By init and by every other command; nothing is made."""
    with pytest.raises(StackgenError, match="can't be printed"):
        printable(Path(name))
    for command in ("init", "render"):
        told = stackgen(command, name, code=1).stderr
        assert ascii(name) in told
        assert name not in told
    assert list(tmp_path.iterdir()) == []


def test_every_hint_of_a_folder_with_an_odd_name_can_be_pasted(stackgen, tmp_path):
    """Its words hold the folder whole, or not at all."""
    stackgen("init", ODD, "--yes")
    (tmp_path / ODD / "certs/privkey.pem").write_bytes(b"")
    mistakes = [
        ("init", ODD, "--yes"),
        ("render", ODD, "--overwrite", "nothing"),
        ("render", ODD),
        ("validate", ODD),
        ("serve", ODD),
        ("users", "add", "admin", ODD),
        ("users", "passwd", "nobody", ODD),
        ("rotate", "tls", ODD, "--undo"),
        ("rotate", "http-secret", ODD, "--undo"),
    ]
    for arguments in mistakes:
        told = stackgen(*arguments, code=1).stderr
        hint = told.rpartition("hint:")[2]
        assert WORD[:-1] in hint, hint
        assert ODD not in hint.replace(WORD[:-1], ""), hint
    for line in stackgen("doctor", ODD, code=1).stdout.splitlines():
        assert not line.strip().startswith("→") or ODD not in line.replace(WORD[:-1], ""), line


def test_the_way_to_a_command_that_no_path_leads_to(tmp_path, monkeypatch):
    """As after a quickstart, whose environment lies in the checkout."""
    own = tmp_path / "a b/stackgen"
    own.parent.mkdir()
    own.write_text("#!/bin/sh\necho this one\n")
    own.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(own)])
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    line = way_to_stackgen()
    assert subprocess.check_output(["sh", "-c", f"{line}\nstackgen"], text=True) == "this one\n"
    monkeypatch.setenv("PATH", f"{own.parent}:/usr/bin:/bin")
    assert way_to_stackgen() is None
