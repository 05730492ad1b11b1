"""What is judged by the head of a request alone, and what is no request at all."""

from __future__ import annotations

import json
import socket
from base64 import b64encode
from contextlib import closing

import pytest

from tests.registry_app.test_abuse import MANIFEST, head, raw, statuses
from tests.registry_app.test_protocol import EMPTY, OCI_MANIFEST, digest
from tests.serving import start_registry

GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"
SECRET = "aGlkZGVuOnMzY3JldA"
NO_REQUESTS = {
    "a line too long": (head("GET", f"/v2/{SECRET * 600}"), 414, "URI_TOO_LONG"),
    "a header too long": (head("GET", "/v2/", "Authorization: Basic " + SECRET * 600), 431, "HEADERS_TOO_LARGE"),
    "too many headers": (head("GET", "/v2/", *[f"X-{n}: {SECRET}" for n in range(200)]), 431, "HEADERS_TOO_LARGE"),
    "two lengths": (head("PUT", "/v2/", "Content-Length: 5", "Content-Length: 6"), 400, "BAD_REQUEST"),
    "a length and chunks": (head("PUT", "/v2/", "Content-Length: 5", "Transfer-Encoding: chunked"), 400, "BAD_REQUEST"),
    "an unknown coding": (head("PUT", "/v2/", f"Transfer-Encoding: {SECRET}"), 501, "CODING_UNKNOWN"),
    "an unknown expectation": (head("PUT", "/v2/", f"Expect: {SECRET}"), 417, "EXPECTATION_UNKNOWN"),
    "no version": (f"GET /v2/{SECRET}\r\n\r\n".encode(), 400, "BAD_REQUEST"),
    "another version": (f"GET /v2/{SECRET} HTTP/9.9\r\n\r\n".encode(), 400, "BAD_REQUEST"),
    "another method": (f"{SECRET} /v2/ HTTP/1.1\r\n\r\n".encode(), 400, "BAD_REQUEST"),
    "no colon": (head("GET", "/v2/", f"Authorization Basic {SECRET}"), 400, "BAD_REQUEST"),
}


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """One service with a user, and a blob that manifests may refer to."""
    folder = tmp_path_factory.mktemp("refusals")
    with start_registry(folder, users={"alice": "secret"}, config={"stackgen": {"workers": 1}}) as running:
        assert running.request("POST", f"/v2/a/blobs/uploads/?digest={digest(EMPTY)}", body=EMPTY).status == 201
        yield running


@pytest.mark.parametrize("name", NO_REQUESTS)
def test_what_is_no_request_is_answered_with_an_oci_error(registry, name):
    """JSON with the header that clients know a registry by, and nothing of what was sent, nor in the log."""
    sent, status, code = NO_REQUESTS[name]
    answer = raw(registry, sent, shut=False)
    top, _, body = answer.partition(b"\r\n\r\n")
    assert statuses(answer) == [status]
    assert json.loads(body)["errors"][0]["code"] == code
    lines = top.decode().split("\r\n")
    assert "Docker-Distribution-API-Version: registry/2.0" in lines
    assert "Content-Type: application/json" in lines
    assert f"Content-Length: {len(body)}" in lines
    (request_id,) = [line.partition(": ")[2] for line in lines if line.startswith("X-Request-Id: ")]
    assert SECRET.encode() not in answer
    log = registry.log.read_text()
    assert SECRET not in log
    (line,) = [line for line in log.splitlines() if request_id in line]
    assert "refused a request" in line


@pytest.mark.parametrize("rest", [b"zz\r\n", b"5\r\nhelloX\r\n", b"0\r\nHost: x\r\n\r\n"])
def test_a_request_is_answered_once(registry, rest):
    """Also where the body that it did not need turns out to be malformed: the connection ends."""
    answer = raw(registry, head("GET", "/healthz", "Transfer-Encoding: chunked") + rest + head("GET", "/healthz"))
    assert statuses(answer) == [200]


def put(*headers, user="alice:secret"):
    """The head of a push of a manifest."""
    login = f"Authorization: Basic {b64encode(user.encode()).decode()}"
    return head("PUT", "/v2/a/manifests/1", f"Content-Type: {OCI_MANIFEST}", login, *headers)


def test_a_manifest_that_is_too_large_is_refused_before_it_travels(registry):
    """A client that asks first is told 413, not to go on."""
    answer = raw(registry, put("Expect: 100-continue", "Content-Length: 99999999999"), shut=False)
    assert statuses(answer) == [413]
    assert b"Connection: close" in answer


def test_who_may_not_push_is_told_so_before_the_body_travels(registry):
    """And nothing waits for a body that will not come."""
    answer = raw(registry, put("Expect: 100-continue", "Content-Length: 100", user="mallory:x"), shut=False)
    assert statuses(answer) == [401]


@pytest.mark.parametrize("chunked", [False, True])
def test_who_asks_first_and_may_push_is_told_to_go_on(registry, chunked):
    """100, then the body, then 201; the connection goes on."""
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(MANIFEST), MANIFEST) if chunked else MANIFEST
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(MANIFEST)}"
    with closing(socket.create_connection(("127.0.0.1", registry.port), timeout=10)) as client:
        for _ in range(2):
            client.sendall(put("Expect: 100-continue", framing))
            assert client.recv(len(GO_ON)) == GO_ON
            client.sendall(body)
            assert client.recv(65536).startswith(b"HTTP/1.1 201 ")


def test_a_manifest_that_was_cut_is_an_invalid_manifest(registry):
    """No word of uploads, which this is none."""
    answer = raw(registry, put(f"Content-Length: {len(MANIFEST) + 1}") + MANIFEST)
    assert statuses(answer) == [400]
    error = json.loads(answer.partition(b"\r\n\r\n")[2])["errors"][0]
    assert (error["code"], error["detail"]["reason"]) == ("MANIFEST_INVALID", "the body of the request ended early")


def test_a_number_without_end_is_refused_in_our_words(registry):
    """Python's own words would tell how to change Python."""
    body = b'{"schemaVersion": 2, "config": {"size": ' + b"9" * 5000 + b"}}"
    answer = registry.request("PUT", "/v2/a/manifests/1", body=body, headers={"Content-Type": OCI_MANIFEST})
    error = json.loads(answer.body)["errors"][0]
    assert (answer.status, error["code"]) == (400, "MANIFEST_INVALID")
    assert error["detail"]["reason"] == "a number of 5000 digits"
