"""The journal of a rotation, as a failing disk or a helpful person leaves it."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path

import pytest

from stackgen.env_file import load_settings
from stackgen.rotation import journal
from stackgen.rotation.secrets import plan_removal
from tests.stackgen.secrets.rotating import assert_works, plans

ODD = (None, -1, 5, 1 << 70, float("inf"), float("nan"), True, "", "x", "a\0b", "\ud800", "é\n", [], {}, [[]], [5])


def places(value, path=()):
    """The way to each value of a document, its own first."""
    yield path
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, one in below:
        yield from places(one, (*path, name))


def changed(document, path, value):
    """A copy with another value in one place."""
    if not path:
        return value
    result = copy.deepcopy(document)
    holder = result
    for name in path[:-1]:
        holder = holder[name]
    holder[path[-1]] = value
    return result


def test_whatever_a_journal_holds_it_is_a_rotation_or_said_to_be_none(folder):
    """Every value of every kind of rotation, in turn, of every odd kind; nothing else is ever raised."""
    settings = load_settings(folder)
    rotations = [*plans(folder, settings).values(), plan_removal(folder, settings, "admin")]
    refused = understood = 0
    for rotation in rotations:
        good = json.loads(json.dumps(journal._to_json(rotation)))
        assert journal._from_json(good) == rotation
        for path in places(good):
            for odd in ODD:
                try:
                    read = journal._from_json(json.loads(json.dumps(changed(good, path, odd))))
                    understood += bool(journal._to_json(read))
                except ValueError:
                    refused += 1
    assert refused > 2000
    assert understood < refused / 3


def written(**odd):
    """A journal of nothing, but for these."""
    empty = {"title": "t", "steps": [], "back": [], "reloads": False, "after": [], "records": {}}
    return json.dumps(empty | odd)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Expecting value"),
        ("{}", "missing"),
        ("5", "where a mapping is due"),
        ("[" * 100_000, "nested too deeply"),
        (written(title=5), "'title' is a int"),
        (written(steps=[{"do": "put", "path": 5, "content": "", "mode": 384, "gid": None}]), "'path' is a int"),
        (written(steps=[{"do": "fly"}]), "a step is not one of"),
        (written(records={"tls": {"at": "x", "old_until": None, "previous": None, "leaf": None}}), "'at' is a str"),
        (written(hands_over="nobody"), "names no secret"),
    ],
)
def test_a_journal_that_nobody_understands_is_not_guessed_at(folder, stackgen, text, words):
    """The person is told where it lies, what is wrong and what to type; then the next rotation works."""
    folder.rotation_journal.write_text(text)
    for command in (("rotate", "tls", "mystack"), ("users", "add", "eve", "mystack", "--generate")):
        told = stackgen(*command, code=1).stderr
        assert words in told
        assert "rotation.json" in told
        assert "mv mystack/.stackgen/rotation.json mystack/.stackgen/rotation.broken" in told
        assert "a bug" not in told
    folder.rotation_journal.rename(folder.rotation_journal.with_suffix(".broken"))
    stackgen("rotate", "tls", "mystack")
    assert_works(folder)


@pytest.mark.parametrize(
    ("plan", "event", "subject"),
    [
        (lambda *stack: plan_removal(*stack, "admin"), "user-remove", "admin"),
        (lambda *stack: plans(*stack)["http-secret"], "rotate", "http secret"),
        (lambda *stack: replace(plans(*stack)["password"], event="user-add", subject="eve"), "user-add", "eve"),
    ],
)
def test_an_act_that_another_command_finishes_has_its_line_in_the_audit_log(folder, stackgen, plan, event, subject):
    """The journal knows what it was: a kill hides nothing."""
    rotation = plan(folder, load_settings(folder))
    folder.rotation_journal.write_text(json.dumps(journal._to_json(rotation)))
    stackgen("rotate", "tls", "mystack")
    lines = [json.loads(line) for line in folder.audit_log.read_text().splitlines()]
    told = [(line["event"], line["subject"], line["result"]) for line in lines]
    assert told[0] == (event, subject, "done")
    assert told[1:] == [("rotate-resumed", rotation.title, "done"), ("rotate", "TLS key and certificate", "done")]


def test_an_act_that_is_killed_as_its_journal_goes_is_in_the_audit_log(folder, monkeypatch):
    """The line comes first."""
    settings = load_settings(folder)
    unlink = Path.unlink

    def killed(path, *, missing_ok=False):
        if path == folder.rotation_journal:
            raise KeyboardInterrupt
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", killed)
    with pytest.raises(KeyboardInterrupt):
        journal.carry_out(folder, settings, plan_removal(folder, settings, "admin"))
    assert '"user-remove"' in folder.audit_log.read_text()


@pytest.mark.parametrize(
    "text", ["", "5", "[]", '{"tls": 5}', '{"tls": {"at": "x"}}', '{"tls": {"at": 1e999}}', "[" * 100_000]
)
def test_records_that_nobody_understands_count_as_none(folder, stackgen, text):
    """They tell ages; nothing else hangs on them."""
    folder.rotation_records.write_text(text)
    assert "http-secret" in stackgen("rotate", "--status", "mystack").stdout
    assert "admin" in stackgen("users", "list", "mystack").stdout
    assert "no rotation of tls to undo" in stackgen("rotate", "tls", "mystack", "--undo", code=1).stderr
