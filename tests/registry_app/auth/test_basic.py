"""Basic credentials, by the byte."""

from __future__ import annotations

import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_app.auth.basic import BadCredentialsError, Credentials, parse_basic


def header(raw: bytes, scheme: str = "Basic") -> str:
    """An Authorization header."""
    return f"{scheme} {base64.b64encode(raw).decode()}"


@pytest.mark.parametrize("value", [None, "", "  ", "Basic Og=="])
def test_no_claim_is_an_anonymous_caller(value):
    """Among them skopeo's empty name with an empty password."""
    assert parse_basic(value) is None


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
def test_the_scheme_has_no_case(scheme):
    """RFC 7617 section 2."""
    assert parse_basic(header(b"alice:se:cret", scheme)) == Credentials("alice", b"se:cret")


@pytest.mark.parametrize(
    "value",
    [
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic YWxpY2U=",
        "Bearer abc",
        "Basic YTpi, Basic YTpi",
        "YTpi",
        "Basic YTpi\0",
        "Basic ÿ",
    ],
)
def test_what_is_no_basic_credential_is_refused(value):
    """Other schemes, no base64, no colon, two headers joined into one."""
    with pytest.raises(BadCredentialsError):
        parse_basic(value)


def test_a_name_that_is_not_utf_8_is_nobodys_and_a_password_may_be_any_bytes():
    """Refused rather than guessed."""
    with pytest.raises(BadCredentialsError):
        parse_basic(header(b"\xff:x"))
    assert parse_basic(header(b"a:\xff\0")) == Credentials("a", b"\xff\0")


def test_credentials_do_not_show_the_password():
    """Neither in a traceback nor in a log."""
    assert "hunter2" not in repr(Credentials("a", b"hunter2"))


@given(st.text(max_size=9000))
def test_any_text_is_parsed_or_refused(value):
    """No header makes it fail in another way."""
    with contextlib.suppress(BadCredentialsError):
        parse_basic(value)
