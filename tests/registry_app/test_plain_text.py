"""Text of files, users and strangers is shown without anything that a terminal obeys, without passwords, and short."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_app.plain_text import conceal, named, one_line, plain, plain_message, quoted, visible

PASSWORDS = st.text(st.characters(exclude_characters="@"), min_size=6).map(lambda text: f"pw{text}wp")


@given(st.text())
def test_nothing_that_a_terminal_obeys_is_left(text):
    """Escapes, bells, carriage returns, marks of direction; lines stay lines unless they are a stranger's."""
    assert all(c.isprintable() or c in "\n\t" for c in plain(text))
    assert one_line(text).isprintable()
    assert named(text).isprintable()


@given(st.text(st.characters(categories=["L", "N", "P"])).filter(lambda text: "://" not in text))
def test_what_is_plain_stays_as_it_is(text):
    """Letters of every script."""
    assert visible(text) == text
    assert plain(text) == text


@pytest.mark.parametrize("start", ["https://", "http://user:", "//user:", "user:", "http:/user:", "htp//:"])
@given(PASSWORDS)
def test_a_password_in_an_address_is_not_shown(start, password):
    """However the address is misspelt, and with any character in the password."""
    value = f"{start}{password}@proxy.example.com:3128"
    assert conceal(value).endswith("***@proxy.example.com:3128")
    assert password not in conceal(value)
    assert password not in quoted(value)
    assert password not in named(value)


def test_a_password_without_a_host_behind_it_is_not_shown_either():
    """What should be a port is none."""
    assert conceal("http://user:secret") == "http://user:***"
    assert conceal("http://proxy.example.com:3128/path") == "http://proxy.example.com:3128/path"


def test_addresses_within_a_text_lose_their_passwords():
    """Digests and paths keep their @."""
    assert plain("to http://u:p@h:1/x, and 'https://t@h'") == "to http://***@h:1/x, and 'https://***@h'"
    for text in ("oci://h:5000/a/b:1@sha256:00", "h:5000/a@sha256:00", '{"a":"https://h","b":"c@d"}'):
        assert plain(text) == text
    assert conceal("registry.example.com:5000/a/b@sha256:00") == "registry.example.com:5000/a/b@sha256:00"
    assert conceal("/srv/a@b") == "/srv/a@b"


def test_nobody_is_flooded():
    """Neither by a value nor by a line of a message."""
    assert len(quoted("x" * 10**6)) <= 62
    assert len(named("x" * 10**6)) <= 60
    assert len(plain_message("x" * 10**6)) <= 2000
