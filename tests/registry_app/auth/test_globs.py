"""Globs of many wildcards mean what those of few mean, and cost no more than the name is long."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry_app.auth.globs import _follow, _pattern, _steps, matches

PIECES = st.sampled_from(["a", "b", "-", "/", "*", "**", "**/", "?", "a/", "/b"])
GLOBS = st.lists(PIECES, min_size=1, max_size=8).map("".join)
NAMES = st.text("ab-/", max_size=10)


@settings(max_examples=1500, deadline=None)
@given(GLOBS, NAMES)
def test_both_ways_of_matching_agree(glob: str, name: str) -> None:
    """What a glob of few wildcards holds by its regular expression, it holds when followed state by state."""
    assert _follow(_steps(glob), name) == (_pattern(glob).fullmatch(name) is not None)


@pytest.mark.parametrize(
    ("glob", "name"),
    [
        ("public/*-*-*-*", "public/" + "-" * 250 + "/x"),
        ("**/*-*-*/cache", "-" * 1000),
        ("*a" * 40 + "b", "a" * 255),
    ],
)
def test_no_name_makes_a_glob_costly(glob: str, name: str) -> None:
    """These took from seconds to for ever: a stranger could hold every worker with a few requests."""
    began = time.process_time()
    assert not matches(glob, name)
    assert time.process_time() - began < 2.0
