"""Every answer of the front has one id, by which its line in the log is found."""

from __future__ import annotations

import socket
import time
from contextlib import closing

import pytest

from tests.registry_app.rendered_nginx import rendered_nginx
from tests.registry_app.test_abuse import head
from tests.registry_app.test_protocol import EMPTY, digest
from tests.serving import start_registry

CRANE = "User-Agent: go-containerregistry/v0.20"


def blob():
    """A path that the registry decides about and nginx answers."""
    return f"/v2/a/blobs/{digest(EMPTY)}"


# Who is asked, what, and the status: the registry, nginx for it, and nginx in its own words.
ANSWERS = {
    "the registry": ("tls", head("GET", "/v2/", "X-Request-Id: claimed-by-a-client"), 200),
    "the registry, refusing": ("tls", head("GET", "/v2/a/manifests/none"), 404),
    "a blob": ("tls", head("GET", blob()), 200),
    "a malformed line": ("tls", b"GET /v2/ HTTP/x.y\r\n\r\n", 400),
    "a header too long": ("tls", head("GET", "/v2/", "X: " + "x" * 40_000), 400),
    "plain HTTP on the port of TLS": ("plain on tls", head("GET", "/v2/"), 308),
    "crane's plain HTTP there": ("plain on tls", head("GET", "/v2/", CRANE), 400),
    "the port of plain HTTP": ("plain", head("GET", "/v2/"), 308),
    "a malformed line there": ("plain", b"GET /v2/ HTTP/x.y\r\n\r\n", 400),
}


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """A registry with one blob."""
    config = {"stackgen": {"workers": 1, "accel_redirect": "/_blobs/", "trusted_proxies": ["127.0.0.0/8"]}}
    with start_registry(tmp_path_factory.mktemp("ids"), config=config) as running:
        assert running.request("POST", f"/v2/a/blobs/uploads/?digest={digest(EMPTY)}", body=EMPTY).status == 201
        yield running


@pytest.fixture(scope="module")
def front(registry, tmp_path_factory):
    """The rendered nginx before it."""
    with rendered_nginx(registry, tmp_path_factory.mktemp("front") / "nginx") as nginx:
        yield nginx


def ask(front, way, sent):
    """The head of the answer, as lines."""
    port = front.plain_port if way == "plain" else front.port
    with closing(socket.create_connection(("127.0.0.1", port), timeout=10)) as plain:
        client = front.context.wrap_socket(plain, server_hostname="localhost") if way == "tls" else plain
        with closing(client):
            client.sendall(sent)
            received = b""
            while b"\r\n\r\n" not in received:
                received += (piece := client.recv(65536))
                assert piece, received
    return received.partition(b"\r\n\r\n")[0].decode().split("\r\n")


# What nginx passes on, and the registry's server takes for no request.
REFUSED = {
    "an address too long": (head("GET", "/v2/" + "x" * 5000), 414),
    "too many headers": (head("GET", "/v2/", *[f"X-{number}: 1" for number in range(150)]), 431),
    "another method": (head("A" * 30, "/v2/"), 400),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_every_answer_has_one_id_that_the_log_knows(front, name):
    """In its own words and in the registry's alike; what a client claims is no id."""
    way, sent, status = ANSWERS[name]
    first, *lines = ask(front, way, sent)
    assert first.split()[1] == str(status)
    (request_id,) = [line.partition(": ")[2] for line in lines if line.lower().startswith("x-request-id:")]
    end = time.monotonic() + 5
    while request_id not in (logged := {line["request_id"]: line["status"] for line in front.requests()}):
        assert time.monotonic() < end, (request_id, logged)
        time.sleep(0.02)
    assert logged[request_id] == str(status)


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_registry_takes_for_no_request_has_the_id_of_nginx(front, registry, name):
    """The client's answer, nginx's line and the registry's warning: one id through all three."""
    sent, status = REFUSED[name]
    first, *lines = ask(front, "tls", sent)
    assert first.split()[1] == str(status)
    (request_id,) = [line.partition(": ")[2] for line in lines if line.lower().startswith("x-request-id:")]
    end = time.monotonic() + 5
    while request_id not in registry.log.read_text():
        assert time.monotonic() < end, registry.log.read_text()[-500:]
        time.sleep(0.02)
    assert [
        line for line in registry.log.read_text().splitlines() if request_id in line and "refused a request" in line
    ]
