"""Plain HTTP that comes to the registry's own TLS is led to HTTPS, at no cost for who speaks TLS."""

from __future__ import annotations

import datetime as dt
import http.client
import socket
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_app import issuing
from registry_app.plain_http import lead_to_https
from tests.serving import start_registry


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """One process that speaks TLS, with users, and a client's trust in it."""
    folder = tmp_path_factory.mktemp("tls")
    now = dt.datetime.now(dt.UTC)
    authority = issuing.make_authority(now=now)
    leaf = issuing.issue(authority, ["localhost"], now=now)
    (folder / "cert.pem").write_bytes(leaf.certificate_pem)
    (folder / "key.pem").write_bytes(leaf.key_pem)
    tls = {"certificate": str(folder / "cert.pem"), "key": str(folder / "key.pem")}
    with start_registry(folder, config={"http": {"tls": tls}, "stackgen": {"workers": 1}}, users={"a": "b"}) as running:
        yield running, ssl.create_default_context(cadata=authority.certificate_pem.decode())


def test_a_plain_request_is_led_to_https(registry):
    """By the name and path that it came with; the body that follows does not break the answer."""
    running, _ = registry
    for method, body in (("GET", None), ("HEAD", None), ("PUT", b"x" * 5000)):
        client = http.client.HTTPConnection("127.0.0.1", running.port, timeout=10)
        client.request(method, "/v2/?x=1", body=body, headers={"Host": f"localhost:{running.port}"})
        answer = client.getresponse()
        assert answer.status == 308
        assert answer.headers["Location"] == f"https://localhost:{running.port}/v2/?x=1"
        client.close()


def test_who_would_keep_to_plain_http_is_not_led_in_a_circle(registry):
    """Both crane and cosign ask loopback both ways at once and take the first good answer as the way for all requests."""
    running, _ = registry
    client = http.client.HTTPConnection("127.0.0.1", running.port, timeout=10)
    agent = "cosign/devel (linux; amd64) go-containerregistry/v0.20.6"
    client.request("GET", "/v2/", headers={"Host": f"localhost:{running.port}", "User-Agent": agent})
    answer = client.getresponse()
    assert answer.status == 400
    assert b"speaks HTTPS" in answer.read()
    client.close()


def test_tls_is_served_beside_it(registry):
    """With its own answer."""
    running, trust = registry
    client = http.client.HTTPSConnection("localhost", running.port, context=trust, timeout=10)
    client.request("GET", "/v2/")
    assert client.getresponse().status == 401
    client.close()


def test_what_is_neither_gets_no_answer(registry):
    """The handshake fails as before, and the registry goes on."""
    running, _ = registry
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as client:
        client.sendall(b"\x00\x01nonsense\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        assert not client.recv(100).startswith(b"HTTP")
    test_tls_is_served_beside_it(registry)
    assert "Traceback" not in running.log.read_text()


def test_without_a_host_there_is_nowhere_to_lead_to():
    """The answer says what is wrong."""
    answer = lead_to_https(b"GET / HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"speaks HTTPS" in answer


@given(head=st.binary(max_size=200), host=st.text(max_size=20))
def test_no_request_writes_a_header_of_its_own(head, host):
    """Whatever the line and the Host hold, the answer has the five lines that it always has."""
    for request in (head, b"GET /%b HTTP/1.1\r\nHost: %b\r\n\r\n" % (head, host.encode())):
        answer = lead_to_https(request)
        assert answer is None or answer.count(b"\r\n") in {5, 6}
