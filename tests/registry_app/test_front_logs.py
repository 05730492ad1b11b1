"""What nginx's logs tell when the registry is away: how it failed, and nothing of the query."""

from __future__ import annotations

import socket
import time
from contextlib import closing, suppress

from tests.registry_app.rendered_nginx import rendered_nginx
from tests.registry_app.test_abuse import head
from tests.serving import start_registry

CANARY = "canary-9c41d7"


def test_a_registry_that_is_away_is_told_without_the_query(tmp_path):
    """Its signed state is what an upload's address holds; the status of each try stands in the line."""
    with start_registry(tmp_path) as registry, rendered_nginx(registry, tmp_path / "nginx") as front:
        registry.stop()
        with closing(socket.create_connection(("127.0.0.1", front.port), timeout=10)) as plain:
            client = front.context.wrap_socket(plain, server_hostname="localhost")
            client.sendall(head("PATCH", f"/v2/a/blobs/uploads/1?_state={CANARY}", "Content-Length: 0"))
            client.settimeout(0.5)
            with suppress(TimeoutError):  # nginx waits for the registry
                client.recv(1)
            client.close()
        end = time.monotonic() + 5
        while not (lines := front.requests()):
            assert time.monotonic() < end
            time.sleep(0.02)
    assert lines[0]["upstream_status"].startswith("502")
    assert CANARY not in front.access_log.read_text() + front.error_log.read_text()
