"""Repository names, tags and references."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_app.errors import ErrorCode, RegistryError
from registry_app.oci.digests import Digest
from registry_app.oci.names import Repository, Tag, parse_reference

SPEC_NAME = re.compile(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*", re.ASCII)


@pytest.mark.parametrize("name", ["a", "team/app", "a/b/c/d", "a.b-c__d/e---f_g", "0/1", "a" * 255])
def test_names_of_the_specification_are_taken(name):
    """Slashes, dots, underscores and runs of hyphens stand where the grammar lets them."""
    assert str(Repository.parse(name)) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "a/",
        "/a",
        "a//b",
        "A",
        "a..b",
        "../a",
        "a/../b",
        "a___b",
        "_a",
        "a_",
        "a\n",
        "ä",
        "a%2fb",
        "a\0",
        "a:b",
        "a" * 256,
        "a/_uploads",
    ],
)
def test_other_names_are_refused(name):
    """Nothing that could leave the tree or meet a reserved folder is a repository."""
    with pytest.raises(RegistryError) as caught:
        Repository.parse(name)
    assert caught.value.code is ErrorCode.NAME_INVALID


@given(st.text(alphabet="a0._-/A\n", max_size=12))
def test_the_name_grammar_is_the_specifications(name):
    """The pattern without backtracking takes exactly what the specification's pattern takes."""
    try:
        assert Repository.parse(name).name == name
        taken = True
    except RegistryError:
        taken = False
    assert taken == bool(SPEC_NAME.fullmatch(name))


def test_repositories_sort_by_component():
    """`a/b` comes before `a-b`, as in distribution's catalog."""
    names = [Repository.parse(name) for name in ("a-b", "a/b", "a", "b", "a/b/c")]
    assert [str(one) for one in sorted(names)] == ["a", "a/b", "a/b/c", "a-b", "b"]


@pytest.mark.parametrize("text", ["latest", "1.0", "_x", "A-b.c_d", "a" * 128])
def test_a_text_without_colon_is_a_tag(text):
    """Tags of up to 128 characters are references."""
    assert parse_reference(text) == Tag(text)


@pytest.mark.parametrize("text", ["", ".x", "-x", "a/b", "a b", "a\n", "ü", "a" * 129])
def test_bad_tags_are_refused(text):
    """A tag never starts with a dot and never holds a slash."""
    with pytest.raises(RegistryError) as caught:
        parse_reference(text)
    assert caught.value.code is ErrorCode.TAG_INVALID


def test_a_text_with_a_colon_is_a_digest():
    """A reference is one or the other, never both."""
    digest = Digest.of(b"x")
    assert parse_reference(str(digest)) == digest
