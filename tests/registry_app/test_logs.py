"""The log: one line for each event, as JSON or for people, with the id by which a client can ask about its request."""

from __future__ import annotations

import json
import logging
import time

import pytest

from registry_app.logs import JsonFormatter, TextFormatter
from tests.serving import start_registry


def record(message, *arguments, **extra):
    """One event as a logger makes it."""
    made = logging.makeLogRecord({"name": "registry", "levelname": "WARNING", "msg": message, "args": arguments})
    vars(made).update(extra)
    return made


@pytest.mark.parametrize("formatter", [JsonFormatter({}), TextFormatter({})], ids=["json", "text"])
def test_a_client_can_not_forge_a_line(formatter):
    """Line breaks and escapes in what it sent stay inside the line, wherever they come in."""
    hostile = "x\n2026-01-01T00:00:00Z INFO registry: all is well\r\x1b[2J"
    for one in (record(hostile), record("refused %s", hostile), record("refused", agent=hostile)):
        line = formatter.format(one)
        assert "all is well" in line
        assert not any(ord(letter) < 32 for letter in line)


def test_a_line_for_people_begins_with_when_how_bad_and_who():
    """Then the message, then name=value for the rest."""
    line = TextFormatter({"stack": "one"}).format(record("disk %d%% full", 97, request_id="3f2a9c1e"))
    assert line.split()[1:] == ["WARNING", "registry:", "disk", "97%", "full", 'stack="one"', 'request_id="3f2a9c1e"']


@pytest.mark.parametrize("formatter", ["json", "text"])
def test_the_id_in_the_answer_finds_the_line(tmp_path, formatter):
    """One of the client's own is kept if it is well formed; gunicorn's lines have the same shape as ours."""
    with start_registry(tmp_path, config={"log": {"formatter": formatter}}) as registry:
        made = registry.request("GET", "/v2/team/app/manifests/1?token=hunter2")["X-Request-Id"]
        given = registry.request("GET", "/v2/", None, {"X-Request-Id": "my-own-id-0001"})["X-Request-Id"]
        forged = registry.request("GET", "/v2/", None, {"X-Request-Id": "a b;c=d" * 9})["X-Request-Id"]
        assert given == "my-own-id-0001"
        assert forged not in {given, made, "a b;c=d" * 9}
        end = time.monotonic() + 10
        while forged not in registry.log.read_text() and time.monotonic() < end:
            time.sleep(0.05)
        lines = registry.log.read_text().splitlines()
    assert all(sum(one in line for line in lines) == 1 for one in (made, given, forged))
    assert not any("hunter2" in line for line in lines)
    if formatter == "json":
        parsed = [json.loads(line) for line in lines]
        assert {"gunicorn.error", "registry.access"} <= {line["logger"] for line in parsed}
        assert [line["status"] for line in parsed if line.get("request_id") == made] == [404]
    else:
        assert any(" gunicorn.error: " in line for line in lines)
