"""WWW-Authenticate as registries really send it, and as nobody should."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackgen.distribution.challenges import Challenge, parse_challenges


@pytest.mark.parametrize(
    ("header", "challenges"),
    [
        ('Basic realm="stackgen"', [Challenge("basic", {"realm": "stackgen"})]),
        (
            'Bearer realm="https://auth.example.com/token",service="registry",scope="repository:a/b:pull,push"',
            [Challenge("bearer", {"realm": "https://auth.example.com/token", "service": "registry",
                                  "scope": "repository:a/b:pull,push"})],
        ),
        ('Basic realm="a \\"b\\"", Bearer realm=x', [Challenge("basic", {"realm": 'a "b"'}), Challenge("bearer", {"realm": "x"})]),
        ("Negotiate, Basic realm=x", [Challenge("negotiate"), Challenge("basic", {"realm": "x"})]),
        ("", []),
        ('="', []),
    ],
)  # fmt: skip
def test_each_challenge_is_read_with_its_parameters(header, challenges):
    """Quoted commas and several challenges in one header are told apart."""
    assert list(parse_challenges(header)) == challenges


@given(st.text())
def test_no_header_can_break_the_client(header):
    """What a server sends is never trusted to be well formed."""
    assert all(challenge.scheme for challenge in parse_challenges(header))
