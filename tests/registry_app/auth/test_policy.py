"""The decision: rules only allow, everything else is denied, and the reason can be told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_app.auth.authentication import Authenticator
from registry_app.auth.authorization import Authorizer
from registry_app.auth.globs import matches as holds
from registry_app.auth.identity import ANONYMOUS, Action, Identity
from registry_app.auth.policy import (
    ANYONE_EVERYTHING,
    EVERY_USER_EVERYTHING,
    GRANTABLE,
    NOBODY,
    Rule,
    Rules,
    decide,
)

ALICE = Identity("alice")
BOB = Identity("bob")
RULES = Rules(
    (
        Rule(frozenset({Action.PULL, Action.PUSH}), ("team/*",), groups=frozenset({"developers"}), place="rule 1"),
        Rule(frozenset({Action.PULL}), ("public/**",), anonymous=True, place="rule 2"),
        Rule(frozenset({Action.CATALOG}), ("**",), users=frozenset({"*"}), place="rule 3"),
        Rule(GRANTABLE, ("**",), users=frozenset({"root"}), place="rule 4"),
    ),
    {"developers": frozenset({"alice"})},
)


@pytest.mark.parametrize(
    ("identity", "action", "repository", "allowed"),
    [
        (ALICE, Action.PULL, "team/app", True),
        (ALICE, Action.PUSH, "team/app", True),
        (ALICE, Action.DELETE, "team/app", False),
        (ALICE, Action.PUSH, "team/app/deep", False),
        (ALICE, Action.PUSH, "public/app", False),
        (ALICE, Action.PULL, "public/a/b", True),
        (BOB, Action.PULL, "team/app", False),
        (Identity("bob", frozenset({"developers"})), Action.PUSH, "team/app", True),
        (ANONYMOUS, Action.PULL, "public/a/b", True),
        (ANONYMOUS, Action.PULL, "public", False),
        (ANONYMOUS, Action.CATALOG, None, False),
        (ANONYMOUS, Action.LOGIN, None, False),
        (BOB, Action.LOGIN, None, True),
        (BOB, Action.CATALOG, None, True),
        (BOB, Action.PULL, None, False),
        (Identity("root"), Action.DELETE, "any/thing", True),
        (Identity("*"), Action.PULL, "team/app", False),
        (Identity("developers"), Action.PULL, "team/app", False),
    ],
)
def test_a_caller_may_do_what_a_rule_allows_and_nothing_else(identity, action, repository, allowed):
    """Users, groups, globs and anonymous rules are taken for what they say."""
    assert decide(RULES, identity, action, repository).allowed is allowed


@pytest.mark.parametrize(
    ("identity", "action", "repository", "words"),
    [
        (ALICE, Action.PULL, "team/app", "rule 1 lets user 'alice' pull 'team/app'"),
        (ALICE, Action.DELETE, "team/app", "give catalog, pull, push, not delete"),
        (ALICE, Action.PUSH, "other/app", "give catalog, not push"),
        (ANONYMOUS, Action.PULL, "other/app", "no rule for an anonymous caller matches the repository 'other/app'"),
    ],
)
def test_the_decision_names_its_reason(identity, action, repository, words):
    """The person who maintains the rules learns which rule spoke, or what is lacking."""
    assert words in decide(RULES, identity, action, repository).reason


def test_without_rules_nobody_may_do_anything():
    """Deny by default; even a user who has logged in."""
    decision = decide(NOBODY, ALICE, Action.PULL, "a")
    assert not decision.allowed
    assert "no rules" in decision.reason
    assert not decide(Rules((RULES.rules[0],)), BOB, Action.PULL, "team/app").allowed


def test_the_built_in_rules_are_those_of_registry_2():
    """With htpasswd alone every user may do all; without it anyone may."""
    for action in GRANTABLE:
        assert decide(EVERY_USER_EVERYTHING, ALICE, action, "a/b").allowed
        assert not decide(EVERY_USER_EVERYTHING, ANONYMOUS, action, "a/b").allowed
        assert decide(ANYONE_EVERYTHING, ANONYMOUS, action, "a/b").allowed
    assert decide(ANYONE_EVERYTHING, ANONYMOUS, Action.LOGIN).allowed


@pytest.mark.parametrize(
    ("glob", "name", "matches"),
    [
        ("a", "a", True),
        ("a", "ab", False),
        ("a.b", "axb", False),
        ("*", "a/b", False),
        ("**", "a/b/c", True),
        ("a/**", "a", False),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("**/b", "b", True),
        ("**/b", "ab", False),
        ("a?", "ab", True),
        ("a?", "a/", False),
        ("a", "a\n", False),
    ],
)
def test_globs_respect_the_parts_of_a_name(glob, name, matches):
    """`*` never crosses a slash, `**` does, and a glob matches the whole name."""
    assert holds(glob, name) is matches


@given(st.from_regex(r"[a-z0-9]{1,4}(/[a-z0-9]{1,4}){0,3}", fullmatch=True), st.data())
def test_a_name_is_matched_by_itself_with_any_part_replaced_by_a_star(name, data):
    """A glob made from a name by widening a part still matches the name."""
    parts = name.split("/")
    index = data.draw(st.integers(0, len(parts) - 1))
    star = data.draw(st.sampled_from(["*", "**"]))
    assert holds("/".join([*parts[:index], star, *parts[index + 1 :]]), name)


NAMES = st.from_regex(r"[ab]{1,2}(/[ab]{1,2}){0,2}", fullmatch=True)
GLOBS = st.from_regex(r"([ab*?]{1,2}|\*\*)(/([ab*?]{1,2}|\*\*)){0,2}", fullmatch=True).filter(
    lambda glob: all("**" not in part or part == "**" for part in glob.split("/"))
)
RULES_OF_ANY_KIND = st.builds(
    Rule,
    st.frozensets(st.sampled_from(sorted(GRANTABLE, key=str)), min_size=1),
    st.lists(GLOBS, min_size=1, max_size=2).map(tuple),
    users=st.frozensets(st.sampled_from(["alice", "bob", "*"]), max_size=2),
    groups=st.frozensets(st.sampled_from(["g", "h"]), max_size=2),
    anonymous=st.booleans(),
)


@given(
    st.lists(RULES_OF_ANY_KIND, max_size=4).map(tuple),
    st.dictionaries(st.sampled_from(["g", "h"]), st.frozensets(st.sampled_from(["alice", "bob"]))),
    st.sampled_from([ALICE, BOB, ANONYMOUS, Identity("bob", frozenset({"g"}))]),
    NAMES,
)
def test_the_catalog_shows_exactly_what_the_decision_allows(rules, groups, identity, name):
    """Lists are filtered by rules chosen beforehand; that says the same as asking for each name."""
    in_force = Rules(rules, groups)
    authorizer = Authorizer(Authenticator(None), lambda: in_force)
    shown = authorizer.readable(identity)(name)
    assert shown is decide(in_force, identity, Action.CATALOG, name).allowed
    assert not shown or decide(in_force, identity, Action.PULL, name).allowed
    assert not shown or decide(in_force, identity, Action.CATALOG).allowed
