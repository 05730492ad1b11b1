"""The internal listener: health and metrics, answered by a thread of each worker, apart from the public threads.

All workers share one socket, so a worker whose public threads are all busy still answers, and a dead one does not.
"""

from __future__ import annotations

import socket
import threading
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

    from registry_app.settings import Address

CLIENT_SECONDS = 10


def open_debug_socket(address: Address) -> socket.socket:
    """A listening socket, made before the workers so that they share it. Raises OSError where the port is taken."""
    dualstack = not address.host and socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if dualstack or ":" in address.host else socket.AF_INET
    listener = socket.create_server((address.host, address.port), family=family, dualstack_ipv6=dualstack, backlog=128)
    # Several workers wait on it: the one that comes second must not block in accept().
    listener.setblocking(False)
    return listener


def start_debug_listener(listener: socket.socket, application: WSGIApplication) -> None:
    """Serves the application on the socket from a thread of this process."""
    server = _Server(listener)
    server.set_app(application)
    threading.Thread(target=server.serve_forever, name="debug-listener", daemon=True).start()


class _Quiet(WSGIRequestHandler):
    timeout = CLIENT_SECONDS

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the standard library
        """Says nothing: probes come every few seconds."""

    def address_string(self) -> str:
        return str(self.client_address[0])


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def __init__(self, listener: socket.socket) -> None:
        super().__init__(listener.getsockname()[:2], _Quiet, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.server_name, self.server_port = str(listener.getsockname()[0]), listener.getsockname()[1]
        self.setup_environ()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A probe that hung up is no news."""
