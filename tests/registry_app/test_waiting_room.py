"""What becomes of requests in nginx's waiting room when the registry comes and goes."""

from __future__ import annotations

import hashlib
import http.client
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from tests.registry_app.rendered_nginx import rendered_nginx
from tests.serving import free_port, start_registry

if TYPE_CHECKING:
    from pathlib import Path

    from tests.registry_app.rendered_nginx import Front

UPLOADS = "/v2/team/app/blobs/uploads/"
BODY = b"a small blob"
DIGEST = f"sha256:{hashlib.sha256(BODY).hexdigest()}"
WELL = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(("path", "body", "due"), [(UPLOADS, b"", 202), (f"{UPLOADS}?digest={DIGEST}", BODY, 201)])
def test_requests_wait_again_for_a_registry_that_goes_right_after_a_good_look(
    tmp_path: Path, path: str, body: bytes, due: int
) -> None:
    """It answers the look and closes its port before the request is there: with a body or without, nothing is lost."""
    port, root = free_port(), tmp_path / "root"
    root.mkdir()
    settings = {"http": {"addr": f"127.0.0.1:{port}"}, "stackgen": {"trusted_proxies": ["127.0.0.0/8"]}}
    place = SimpleNamespace(port=port, root=root)
    with rendered_nginx(place, tmp_path / "nginx") as front, ThreadPoolExecutor(1) as clients:
        answer = clients.submit(ask, front, "POST", path, body)
        wait_until_it_waits(front)
        answer_one_look(port)
        with start_registry(tmp_path / "registry", config=settings, root=root, port=port):
            assert answer.result() == due


def test_a_request_that_kills_the_registry_each_time_ends(tmp_path: Path) -> None:
    """It waits once more, and is not sent for ever."""
    port = free_port()
    hits = 0
    with (
        rendered_nginx(SimpleNamespace(port=port, root=tmp_path), tmp_path / "nginx") as front,
        ThreadPoolExecutor(1) as clients,
        socket.create_server(("127.0.0.1", port)) as registry,
    ):
        registry.settimeout(0.2)
        answer = clients.submit(ask, front, "GET", "/v2/", b"")
        while not answer.done():
            try:
                connection = registry.accept()[0]
            except TimeoutError:
                continue
            with connection:
                if b"GET /healthz" in connection.recv(65536):
                    connection.sendall(WELL)
                else:
                    hits += 1
    assert answer.result() == 503
    assert hits == 3


def ask(front: Front, method: str, path: str, body: bytes) -> int:
    """The status of one request through nginx."""
    connection = http.client.HTTPSConnection("localhost", front.port, context=front.context, timeout=90)
    try:
        connection.request(method, path, body=body or None, headers={} if body else {"Content-Length": "0"})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def wait_until_it_waits(front: Front) -> None:
    """Until nginx has two connections more than questions were asked: a client's, and its own into the waiting room."""
    for question in range(1, 1000):
        if front.accepted() >= question + 2:
            return
        time.sleep(0.02)
    raise AssertionError("the request did not come into the waiting room")


def answer_one_look(port: int) -> None:
    """A registry for the time of one look: its port is closed when nginx reads the answer."""
    with socket.create_server(("127.0.0.1", port)) as server:
        server.settimeout(30)
        connection = server.accept()[0]
    with connection:
        assert b"GET /healthz" in connection.recv(65536)
        connection.sendall(WELL)
