"""No request reaches the registry that the front of a stack did not see as one of its own."""

from __future__ import annotations

import http.client
import json
import socket
from collections import Counter
from contextlib import suppress

import pytest

from tests.registry_app.rendered_nginx import rendered_nginx
from tests.registry_app.test_abuse import SMUGGLING, digest, head
from tests.serving import start_registry

HIDDEN = b"GET /v2/hidden/tags/list HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
IN_CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"
# What two programs in a row may read in two ways, beside what each may read alone.
BETWEEN_TWO = {
    "chunks, then a length": (["Transfer-Encoding: chunked", f"Content-Length: {len(IN_CHUNKS + HIDDEN)}"], IN_CHUNKS),
    "a length that hides a request": ([f"Content-Length: {len(HIDDEN)}"], b""),
    "a length under a name with _": (["Content_Length: 0", "Content-Length: 5"], b"hello"),
    "a coding under a name with _": (["Transfer_Encoding: chunked", "Content-Length: 5"], b"hello"),
    "a coding with a space before the colon": (["Transfer-Encoding : chunked", "Content-Length: 5"], b"hello"),
    "a coding behind a folded line": (["X-A: b", "\tTransfer-Encoding: chunked", "Content-Length: 5"], b"hello"),
    "a coding that is folded": (["Transfer-Encoding:", " chunked", "Content-Length: 5"], b"hello"),
    "a coding in quotes": (['Transfer-Encoding: "chunked"', "Content-Length: 5"], b"hello"),
    "a coding in capitals": (["TRANSFER-ENCODING: CHUNKED", "Content-Length: 5"], b"hello"),
    "a coding behind a bare CR": (["X-A: b\rTransfer-Encoding: chunked", "Content-Length: 5"], b"hello"),
    "a coding behind a bare LF": (["X-A: b\nTransfer-Encoding: chunked", "Content-Length: 5"], b"hello"),
    "a length with a sign and zeros": (["Content-Length: 0005"], b"hello"),
    "a length too large for a machine": (["Content-Length: 18446744073709551621"], b"hello"),
    "a length that Connection takes away": (["Connection: Content-Length", "Content-Length: 5"], b"hello"),
    "a coding that Connection takes away": (["Connection: Transfer-Encoding", "Transfer-Encoding: chunked"], IN_CHUNKS),
    "an id that Connection takes away": (["Connection: X-Request-Id", "Content-Length: 5"], b"hello"),
    "a chunk size that overflows": (["Transfer-Encoding: chunked"], b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
    "a chunk size and rubbish": (["Transfer-Encoding: chunked"], b"5 x\r\nhello\r\n0\r\n\r\n"),
    "a last chunk of many zeros": (["Transfer-Encoding: chunked"], b"5\r\nhello\r\n" + b"0" * 40 + b"\r\n\r\n"),
    "a last chunk that does not end": (["Transfer-Encoding: chunked"], b"5\r\nhello\r\n0\r\n"),
    "an extension that hides a line": (["Transfer-Encoding: chunked"], b"5;\n\r\nhello\r\n0\r\n\r\n"),
    "a trailer that is a request": (["Transfer-Encoding: chunked"], b"5\r\nhello\r\n0\r\n" + HIDDEN[:-2]),
    "an upgrade to HTTP/2": (
        ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQ"],
        b"",
    ),
    "an upgrade to WebSocket": (["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"], b""),
    "a body that is waited for": (["Expect: 100-continue", "Content-Length: 5"], b"hello"),
    "two equal hosts": (["Host: localhost", "Content-Length: 5"], b"hello"),
    "a host with a space before the colon": (["Host : other", "Content-Length: 5"], b"hello"),
}
FIRST_LINES = {
    "another host in the first line": b"GET http://other/v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a version of its own": b"GET /v2/ HTTP/1.1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a line break in the path": b"GET /v2/%0d%0aX:%20y/tags/list HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a bare CR in the path": b"GET /v2/a\rb HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "no version": b"GET /v2/\r\n",
    "a body of GET": b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN),
    "a body of HEAD in chunks": b"HEAD /v2/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a tunnel": b"CONNECT localhost:5000 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


def attacks():
    """Every attack by its name, each followed by a request that nobody sent on its own account."""
    path = f"/v2/a/blobs/uploads/?digest={digest(b'hello')}"
    for name, (headers, body) in (SMUGGLING | BETWEEN_TWO).items():
        yield name, head("POST", path, *headers).replace(b"Host: registry", b"Host: localhost") + body + HIDDEN
    for name, sent in FIRST_LINES.items():
        yield name, sent + HIDDEN


def send(front, sent):
    """Sends these bytes over TLS, and reads until the other side closes or is silent."""
    plain = socket.create_connection(("127.0.0.1", front.port), timeout=5)
    with front.context.wrap_socket(plain, server_hostname="localhost") as client, suppress(OSError):
        client.settimeout(0.3)
        client.sendall(sent)
        while client.recv(65536):
            pass


def ask(front, path):
    """An honest request on a connection of its own: status, and the decoded body."""
    connection = http.client.HTTPSConnection("localhost", front.port, context=front.context, timeout=10)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


@pytest.fixture(scope="module")
def log_of(tmp_path_factory):
    """All attacks, each followed by an honest request; then what the front, and what the registry, took for requests."""
    folder = tmp_path_factory.mktemp("smuggling")
    config = {
        "log": {"formatter": "json"},
        "stackgen": {"workers": 1, "read_timeout": "1s", "trusted_proxies": ["127.0.0.1/32"]},
    }
    with start_registry(folder, config=config) as registry:
        with rendered_nginx(registry, folder / "nginx") as front:
            for number, (name, sent) in enumerate(attacks()):
                send(front, sent)
                status, body = ask(front, f"/v2/honest/{number}/tags/list")
                assert (status, body["errors"][0]["detail"]) == (404, {"name": f"honest/{number}"}), name
        lines = [json.loads(line) for line in registry.log.read_text().splitlines() if line.startswith("{")]
        # Only now has either written its last line.
        yield front.requests(), [line for line in lines if "request_id" in line and "path" in line]


def test_every_request_that_the_registry_saw_is_one_that_the_front_saw(log_of):
    """Known by the id that the front gave it, each once, with the same method and path."""
    front, registry = log_of
    assert len(registry) > len(list(attacks())), "else this tests nothing"
    assert [line for line in registry if "hidden" in line["path"]], "some of the hidden ones are honest to both"
    given = {line["request_id"]: (line["method"], line["path"]) for line in front}
    for line in registry:
        assert given.get(line["request_id"]) == (line["method"], line["path"]), line
    assert max(Counter(line["request_id"] for line in registry).values()) == 1


def test_a_hidden_request_is_hidden_from_both(log_of):
    """Where the front saw one request, the registry saw no other behind it."""
    _, registry = log_of
    hidden = [[line["request_id"] for line in lines if "hidden" in line["path"]] for lines in log_of]
    assert set(hidden[1]) <= set(hidden[0])
    assert len(hidden[0]) < len(list(attacks())) / 2, "most attacks are refused as a whole"
    assert {line["status"] for line in registry if not 200 <= line["status"] < 500} <= {501}
