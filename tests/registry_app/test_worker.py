"""The worker's threads stay with a connection, and still serve everybody."""

from __future__ import annotations

import http.client
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

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
