"""Canaries: a secret that a client sends, wherever it puts it, turns up in no log, metric, error or process list."""

from __future__ import annotations

import base64
import http.client
import re
import socket
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.serving import start_registry

CANARY = "canary-5d1f8a"


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """A service that logs all it ever logs."""
    tmp_path = tmp_path_factory.mktemp("canary")
    config = {"log": {"level": "debug"}, "stackgen": {"audit_log": str(tmp_path / "audit.log")}}
    config["stackgen"] |= {"workers": 1, "trusted_proxies": ["127.0.0.0/8"]}
    with start_registry(tmp_path, users={"alice": f"{CANARY}-password"}, config=config) as running:
        yield running


def children(pid):
    """Process ids below one."""
    listed = subprocess.run(
        ["ps", "--ppid", str(pid), "-o", "pid="], capture_output=True, text=True, check=False
    ).stdout
    return [int(word) for word in listed.split()]


@pytest.mark.parametrize(
    "value",
    [
        "Basic " + base64.b64encode(b"alice:a:b:c").decode() + " trailing",
        "Basic\t" + base64.b64encode(b"alice:x").decode(),
        "Basic " + "A" * 8000,
        "Basic " + base64.b64encode(b"\xff\xfe:\xff").decode(),
        "Basic " + base64.b64encode(b"alice:\x00").decode(),
        "Basic " + base64.b64encode(b"x" * 5000 + b":y").decode(),
        "basic",
        "Negotiate abc",
        '"; DROP TABLE users; --',
    ],
)
def test_no_header_makes_anything_but_a_refusal(registry, value):
    """401, never a 500."""
    assert registry.request("GET", "/v2/", None, {"Authorization": value}, auth=False).status == 401


def test_two_authorization_headers_prove_nothing(registry):
    """Joined or not: which one counts must not depend on who reads them."""
    connection = http.client.HTTPConnection("127.0.0.1", registry.port, timeout=10)
    connection.putrequest("GET", "/v2/")
    for password in ("wrong", f"{CANARY}-password"):
        connection.putheader("Authorization", "Basic " + base64.b64encode(f"alice:{password}".encode()).decode())
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status in {400, 401}
    connection.close()


def test_a_crash_writes_no_memory_to_disk(registry):
    """A core dump would hold every password that came by lately."""
    for pid in (registry.process.pid, *children(registry.process.pid)):
        limits = Path(f"/proc/{pid}/limits").read_text()
        assert re.search(r"^Max core file size +0 +0 ", limits, re.MULTILINE)


@pytest.mark.parametrize(
    "request_text",
    [
        "GET /v2/ HTTP/1.1\r\nHost: x\r\nAuthorization Basic {0}\r\n\r\n",
        "GET /v2/ HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {0}\0\r\n\r\n",
        "GET /v2/ HTTP/1.1\r\nHost: x\r\nAuthorization: Basic\r\n {0}\r\n\r\n",
        "GET /v2/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: {0}\r\n\r\n",
        "GET /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: {0}\r\n\r\n",
        "GET http://[alice:{0}/v2/ HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /v2/?password={0} HTTP/9.1\r\nHost: x\r\n\r\n",
        "{0}\r\n\r\n",
        "PROXY TCP4 {0}\r\n\r\n",
    ],
)
def test_a_request_that_is_none_is_neither_logged_nor_sent_back(registry, request_text):
    """What cannot be parsed may be a login all the same."""
    before = len(registry.log.read_text())
    with socket.create_connection(("127.0.0.1", registry.port), timeout=10) as connection:
        connection.sendall(request_text.format(f"{CANARY}-raw").encode())
        answer = connection.makefile("rb").read()
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 501 "))
    assert CANARY.encode() not in answer
    assert "refused a request" in (told := registry.log.read_text()[before:])
    assert CANARY not in told


def test_a_canary_in_header_query_body_name_or_password_turns_up_nowhere(registry):
    """Right and wrong credentials, malformed ones, a name that is a password, and what proxies might add."""

    def basic(text):
        return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}

    good = basic(f"alice:{CANARY}-password")
    headers = [
        good,
        basic(f"alice:{CANARY}-wrong"),
        basic(f"{CANARY}-name:x"),
        basic(f"{CANARY}-no-colon"),
        basic(f"alice:{CANARY}" + "x" * 80),
        basic(f"alice:{CANARY}\0"),
        {"Authorization": f"Bearer {CANARY}"},
        {"Authorization": f"Basic {CANARY}"},
        {"Authorization": CANARY},
        {"Cookie": f"session={CANARY}", **good},
        {"X-Registry-Auth": CANARY, **good},
        {"Proxy-Authorization": f"Basic {CANARY}", **good},
    ]
    answers = []
    for one in headers:
        for method, path in (
            ("GET", "/v2/"),
            ("GET", f"/v2/_catalog?token={CANARY}"),
            ("POST", f"/v2/a/blobs/uploads/?digest={quote(CANARY)}"),
            ("PUT", f"/v2/a/manifests/v1?tag={CANARY}"),
        ):
            body = f'{{"secret": "{CANARY}"}}'.encode() if method in {"POST", "PUT"} else None
            # Another address each time: failures of one address are answered late after a while.
            address = {"X-Forwarded-For": f"192.0.2.{len(answers)}"}
            answers.append(registry.request(method, path, body, one | address, auth=False))
    metrics = registry.ask_debug("/metrics").body + registry.ask_debug("/debug/ready").body
    processes = subprocess.run(["ps", "-eo", "args"], capture_output=True, check=True).stdout
    pids = [registry.process.pid, *children(registry.process.pid)]
    environment = b"".join(Path(f"/proc/{pid}/environ").read_bytes() for pid in pids)
    registry.stop()
    for place in (registry.log, registry.root.parent / "audit.log", registry.root.parent / "audit.logins.log"):
        text = place.read_text()
        assert len(text) > 100
        assert CANARY not in text, [line for line in text.splitlines() if CANARY in line][:3]
        assert base64.b64encode(CANARY.encode())[:10].decode() not in text
    assert CANARY.encode() not in metrics
    assert CANARY.encode() not in processes
    assert CANARY.encode() not in environment
    refusals = [answer for answer in answers if answer.status in {401, 403, 429}]
    assert len(refusals) > 20
    assert not any(CANARY.encode() in answer.body or CANARY in str(answer.headers) for answer in refusals)
