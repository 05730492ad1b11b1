"""The worker's threads stay with a connection, and still serve everybody."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import selectors
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from gunicorn.config import Config

from registry_app.worker import RegistryWorker
from tests.registry_app.test_server import make_certificate
from tests.serving import start_registry

REQUEST = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """One process with two threads."""
    folder = tmp_path_factory.mktemp("worker")
    with start_registry(folder, config={"stackgen": {"workers": 1, "threads": 2}}) as running:
        yield running


def test_more_busy_connections_than_threads_are_all_served(registry):
    """Two threads do not stay with the first two of eight connections."""

    def ask_often(_number):
        connection = http.client.HTTPConnection("127.0.0.1", registry.port, timeout=10)
        answers = []
        for _ in range(25):
            connection.request("GET", "/healthz")
            answers.append(connection.getresponse().read())
        connection.close()
        return answers

    with ThreadPoolExecutor(8) as pool:
        assert all(answers == [b"ok\n"] * 25 for answers in pool.map(ask_often, range(8)))


def test_requests_sent_without_waiting_are_answered_in_order(registry):
    """Pipelined, and cut anywhere: what is in memory already is not waited for."""
    for cut in (1, len(REQUEST) - 1, len(REQUEST), len(REQUEST) + 7, 3 * len(REQUEST) - 2):
        with socket.create_connection(("127.0.0.1", registry.port), timeout=10) as client:
            client.sendall((REQUEST * 3)[:cut])
            client.sendall((REQUEST * 3)[cut:])
            stream = client.makefile("rb")
            for _ in range(3):
                assert stream.readline() == b"HTTP/1.1 200 OK\r\n"
                while stream.readline() != b"\r\n":
                    pass
                assert stream.read(3) == b"ok\n"


def test_idle_connections_hold_no_thread(registry):
    """Many kept-alive connections at rest, and a new one is served."""
    resting = [http.client.HTTPConnection("127.0.0.1", registry.port, timeout=10) for _ in range(10)]
    for connection in resting:
        connection.request("GET", "/healthz")
        connection.getresponse().read()
    assert registry.request("GET", "/healthz").status == 200
    for connection in resting:
        connection.request("GET", "/healthz")
        assert connection.getresponse().read() == b"ok\n"
        connection.close()


LAST = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
BODY = b"x" * 12_000
UPLOAD = (
    f"POST /v2/a/blobs/uploads/?digest=sha256:{hashlib.sha256(BODY).hexdigest()} HTTP/1.1\r\nHost: x\r\n"
    f"Content-Length: {len(BODY)}\r\n\r\n"
).encode() + BODY
# gunicorn reads so much at a time.
PIECE = REQUEST[:-4] + b"\r\nX-Filler: " + b"x" * (8192 - len(REQUEST) - 12) + b"\r\n\r\n"


def test_connections_that_send_nothing_hold_no_thread(registry):
    """Many more than threads, and a new one is served at once; theirs are when something comes."""
    silent = [socket.create_connection(("127.0.0.1", registry.port), timeout=10) for _ in range(30)]
    start = time.monotonic()
    assert registry.request("GET", "/healthz").status == 200
    assert time.monotonic() - start < 4
    for client in silent:
        client.sendall(REQUEST)
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
        client.close()


def _speaking_plainly(port):
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def _speaking_tls(port):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(_speaking_plainly(port))


@pytest.mark.parametrize(
    ("service", "connect"), [("registry", _speaking_plainly), ("tls", _speaking_tls)], ids=["plain", "TLS"]
)
@pytest.mark.parametrize("before", [b"", REQUEST], ids=["new", "at rest before"])
def test_heads_that_are_sent_by_half_hold_no_thread(request, service, connect, before):
    """Many more than threads, and a new request is served at once; theirs are when the other half comes."""
    port = request.getfixturevalue(service).port
    clients = [connect(port) for _ in range(30)]
    for client in clients:
        if before:
            client.sendall(before)
            assert client.recv(4096).startswith(b"HTTP/1.1 200")
        client.sendall(REQUEST[:9])
    for client in clients:
        client.sendall(REQUEST[9:20])
    start = time.monotonic()
    with closing(connect(port)) as other:
        other.sendall(REQUEST)
        assert other.recv(4096).startswith(b"HTTP/1.1 200")
    assert time.monotonic() - start < 4
    for client in clients:
        client.sendall(REQUEST[20:] + REQUEST)
        answer = b""
        while answer.count(b"ok\n") < 2:
            answer += client.recv(4096)
        client.close()


def test_handshakes_that_stop_hold_no_thread(tls):
    """After the client's first word, whole or half."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing).do_handshake()
    hello = outgoing.read()
    clients = [_speaking_plainly(tls.port) for _ in range(30)]
    for number, client in enumerate(clients):
        client.sendall(hello if number % 2 else hello[:50])
    start = time.monotonic()
    with closing(_speaking_tls(tls.port)) as other:
        other.sendall(REQUEST)
        assert other.recv(4096).startswith(b"HTTP/1.1 200")
    assert time.monotonic() - start < 4
    for client in clients:
        client.close()
    assert "Traceback" not in tls.log.read_text()


@pytest.mark.parametrize("limit", ["256:", "256:256"], ids=["of a shell", "of the system"])
def test_more_connections_than_files_end_no_worker(tmp_path, limit):
    """The limit that a shell gives is raised; under one that can't be, connections wait for each other."""
    config = {"stackgen": {"workers": 1, "threads": 2}}
    with start_registry(tmp_path, wrapper=("prlimit", f"--nofile={limit}"), config=config) as registry:
        clients = [_speaking_plainly(registry.port) for _ in range(300)]
        clients[0].sendall(REQUEST)
        assert clients[0].recv(4096).startswith(b"HTTP/1.1 200")
        for client in clients:
            client.close()
        assert registry.request("GET", "/healthz").status == 200
        assert registry.log.read_text().count("Booting worker") == 1


@pytest.mark.parametrize("first", [b"GET /healthz HTTP/1.1\r\nX: ", b"\x16\x03\x01\x02\x00"], ids=["head", "handshake"])
def test_a_head_that_never_ends_is_given_up(tmp_path, first):
    """Though another byte of it comes all the time; TLS's handshake is the beginning of it."""
    environ = {}
    if first.startswith(b"\x16"):
        certificate, key = make_certificate(tmp_path, "x")
        environ = {"REGISTRY_HTTP_TLS_CERTIFICATE": str(certificate), "REGISTRY_HTTP_TLS_KEY": str(key)}
    config = {"stackgen": {"workers": 1, "threads": 2, "read_timeout": "1s"}}
    with start_registry(tmp_path / "r", environ=environ, config=config) as registry:
        with closing(socket.create_connection(("127.0.0.1", registry.port), timeout=0.2)) as client:
            client.sendall(first)
            end = time.monotonic() + 8
            while time.monotonic() < end:
                try:
                    if client.recv(1) == b"":
                        break
                except TimeoutError:
                    client.sendall(b"x")
                except ConnectionResetError:
                    break
            assert time.monotonic() < end
        assert "Traceback" not in registry.log.read_text()


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """The same over TLS."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = make_certificate(folder, "x")
    environ = {"REGISTRY_HTTP_TLS_CERTIFICATE": str(certificate), "REGISTRY_HTTP_TLS_KEY": str(key)}
    with start_registry(folder / "r", environ=environ, config={"stackgen": {"workers": 1, "threads": 2}}) as running:
        yield running


@pytest.mark.parametrize(
    ("sent", "expected"),
    [((UPLOAD + LAST,), [b"201", b"200"]), ((PIECE + LAST,), [b"200"] * 2), ((REQUEST, UPLOAD + LAST), [b"200", b"201", b"200"])],
    ids=["behind a body", "behind a full piece", "at rest before"],
)  # fmt: skip
def test_requests_that_tls_has_read_ahead_are_answered(tls, sent, expected):
    """What came in one record with the request before lies in TLS's own buffer, where no poller sees it."""
    assert len(PIECE) == 8192
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", tls.port), timeout=10) as plain, context.wrap_socket(plain) as client:
        answer = b""
        for piece in sent:
            client.sendall(piece)
            answer += client.recv(65536)
        while more := client.recv(65536):
            answer += more
    assert re.findall(rb"HTTP/1\.1 (\d+)", answer) == expected


def test_a_worker_that_stops_closes_its_port_once(tmp_path):
    """It may be told so twice: where a stop falls between two looks at how many connections there are."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        settings = Config()
        settings.set("worker_tmp_dir", str(tmp_path))
        worker = RegistryWorker(1, os.getpid(), [listener], None, 30, settings, None)
        with closing(worker.tmp), selectors.DefaultSelector() as worker.poller:
            worker.set_accept_enabled(True)
            worker.alive = False
            for enabled in (False, False, True, False):
                worker.set_accept_enabled(enabled)
            assert listener.fileno() < 0
            assert not worker.poller.get_map()
