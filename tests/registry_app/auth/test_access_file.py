"""The access file: every mistake with its line, nothing taken silently."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_app.auth.access_file import DEFAULT_ACCESS, parse_access_file
from registry_app.auth.identity import Action, Identity
from registry_app.auth.policy import EVERY_USER_EVERYTHING, decide
from registry_app.auth.watched import FileRefusedError

GOOD = b"""\
version: 1
groups:
  developers: [alice, bob]
rules:
  - groups: [developers]
    repositories: ["team/**"]
    actions: [pull, push]
  - anonymous: true
    repositories: [public/*]
    actions: [pull]
"""


def test_rules_mean_what_they_say_and_know_their_line():
    """Groups, globs and anonymous callers."""
    rules = parse_access_file(GOOD)
    decision = decide(rules, Identity("bob"), Action.PUSH, "team/a/b")
    assert decision.allowed
    assert "the rule on line 5" in decision.reason
    assert decide(rules, Identity(), Action.PULL, "public/a").allowed
    assert not decide(rules, Identity(), Action.PULL, "team/a").allowed


def test_the_file_a_stack_begins_with_gives_every_user_everything():
    """As registry:2 does without an access file."""
    (rule,) = parse_access_file(DEFAULT_ACCESS).rules
    (built_in,) = EVERY_USER_EVERYTHING.rules
    assert (rule.actions, rule.repositories, rule.users) == (built_in.actions, built_in.repositories, built_in.users)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty: "),
        ("version: 1", "line 1: rules Field required"),
        ("version: 2\nrules: []", "line 1: version"),
        ("version: 1\nrule: []\nrules: []", "line 2: rule Extra inputs"),
        ("version: 1\nrules:\n- {users: [a], repositories: [a], actions: [read]}", "line 3: rules.0.actions.0"),
        ("version: 1\nrules:\n- {users: [a], repositories: [a], actions: []}", "line 3: rules.0.actions"),
        ("version: 1\nrules:\n- {repositories: [a], actions: [pull]}", "line 3: rules.0 names nobody"),
        ("version: 1\nrules:\n- {users: [a], repositories: [A/b], actions: [pull]}", "no repository glob"),
        ("version: 1\nrules:\n- {users: [a], repositories: ['a**'], actions: [pull]}", "no repository glob"),
        ("version: 1\nrules:\n- {users: [a], repositories: ['a//b'], actions: [pull]}", "no repository glob"),
        ("version: 1\nrules:\n- {users: a, repositories: [a], actions: [pull]}", "line 3: rules.0.users"),
        ("version: 1\nrules:\n- {users: [1], repositories: [a], actions: [pull]}", "line 3: rules.0.users.0"),
        (
            "version: 1\nrules:\n- {users: ['a:b'], repositories: [a], actions: [pull]}",
            "rules.0.users.0 is no user name",
        ),
        (
            "version: 1\nrules:\n- {users: [\n  '-x'], repositories: [a], actions: [pull]}",
            "line 4: rules.0.users.0 is no",
        ),
        ("version: 1\ngroups: {'*': [a]}\nrules: []", "is no user name"),
        ("version: 1\ngroups: {g: [' a']}\nrules: []", "groups.g.0 is no user name"),
        ("version: 1\nrules:\n- {groups: [x], repositories: [a], actions: [pull]}", "not under groups: x"),
        ("version: 1\nrules:\n- {anonymous: true, repositories: [a], actions: [push]}", "anonymous callers"),
        ("version: 1\ngroups: {all: ['*']}\nrules: []", "can't hold"),
        ("version: 1\nrules: []\nrules: []", "line 3: 'rules' is there for the second time"),
        ("version: 1\nrules: &a []\ngroups: *a", "line 3: aliases"),
        ("version: 1\nrules: [", "is not YAML"),
        ("# nothing\n", "is empty: it has a version and rules"),
        ("[]", "line 1: is no mapping"),
        ("version: 1\nrules: !!python/object:os.system []", "is not YAML"),
        ("[" * 3000, "not YAML"),
        ("rules: []\nversion: !!bool xyz", "line 2: is not YAML: this can't be read as bool"),
        ('rules: []\nversion: !!int ""', "line 2: is not YAML: this can't be read as int"),
        ('rules: []\nversion: !!int "-"', "line 2: is not YAML: this can't be read as int"),
        ('rules: []\nversion: !!float ""', "line 2: is not YAML: this can't be read as float"),
        ("rules: []\nversion: !!timestamp foo", "line 2: is not YAML: this can't be read as timestamp"),
        ("rules: []\nversion: 2001-99-99", "line 2: is not YAML: this can't be read as timestamp"),
    ],
)
def test_a_mistake_is_refused_with_its_line(text, problem):
    """And with what is wrong."""
    with pytest.raises(FileRefusedError) as caught:
        parse_access_file(text.encode())
    assert problem in str(caught.value)


def test_all_mistakes_are_told_at_once():
    """Not one after the other."""
    text = b"version: 1\nrules:\n- {users: [a], repositories: [A], actions: [pull]}\n- {users: [a], actions: [fly]}"
    with pytest.raises(FileRefusedError) as caught:
        parse_access_file(text)
    assert str(caught.value).count("line ") == 3


@given(st.one_of(st.binary(max_size=300), st.text(alphabet="ab:[]{}-*&!#\n '\"", max_size=200).map(str.encode)))
def test_any_bytes_are_rules_or_refused(content):
    """Never another exception: the registry goes on with the last good rules."""
    with contextlib.suppress(FileRefusedError):
        parse_access_file(content)
