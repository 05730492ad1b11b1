"""gunicorn's threaded worker, with bounded patience and without what its threads do twice.

Of a small request's time gunicorn's own way takes most: each one is handed from the poller to a thread and back, its
head and its body are sent one by one, and settings are looked up by a fallback of a fallback. See
docs/decisions/0061-small-requests.md for what each of these costs.
"""

from __future__ import annotations

import select
import socket
from typing import TYPE_CHECKING, Any

from gunicorn.http.body import LengthReader
from gunicorn.http.errors import ParseException
from gunicorn.workers.gthread import _DEFER, ThreadWorker

from registry_app.request_body import LengthBody
from registry_app.sockets import Patience, PatientSocket

if TYPE_CHECKING:
    from typing import Protocol

    class Connection(Protocol):
        """What this module needs of gunicorn's connections."""

        sock: Any
        parser: Any
        data_ready: bool


# How long a thread waits for the next request of a connection that it has just served.
NEXT_REQUEST_MILLISECONDS = 20
# How long a worker that was replaced (SIGHUP) goes on with its uploads.
LONGEST_FAREWELL_SECONDS = 3600


class RegistryWorker(ThreadWorker):
    """Serves each connection through a patient socket, by one thread as long as requests follow each other."""

    def init_process(self) -> None:
        """Sets the patience of this process, then serves until told to stop."""
        Patience.patience = self.app.settings.http.read_timeout
        # Found at once, instead of by Config.__getattr__ some twenty times in each request.
        self.cfg.__dict__.update({name: getattr(self.cfg, name) for name in self.cfg.settings})
        # At a stop it is the parent that waits no longer than http.draintimeout.
        self.cfg.__dict__["graceful_timeout"] = LONGEST_FAREWELL_SECONDS
        super().init_process()

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001 - gunicorn's signature
        """Takes new connections, or none. When the worker stops, the port is closed: who comes now is told at once."""
        super().set_accept_enabled(enabled)
        if not self.alive:
            for listener in self.sockets:
                while _readable(listener, 0):  # taken by the kernel already: to close now would cut them
                    self.accept(listener)
                listener.close()

    def enqueue_req(self, conn: Connection) -> None:
        """Hands a connection to a thread."""
        if type(conn.sock) is socket.socket:
            plain = conn.sock
            conn.sock = PatientSocket(plain.family, plain.type, plain.proto, fileno=plain.detach())
            conn.sock.setblocking(False)
        super().enqueue_req(conn)

    def handle(self, conn: Connection) -> Any:
        """Serves a request, and those that follow at once: the way through the poller costs more than a short wait."""
        outcome = super().handle(conn)
        while outcome and outcome is not _DEFER and self._is_next_request_near(conn):
            outcome = super().handle(conn)
        return outcome

    def handle_request(self, req: Any, conn: Connection) -> Any:
        """Serves one parsed request."""
        if type(req.body.reader) is LengthReader:
            req.body = LengthBody(conn.parser.unreader, conn.sock, req.body.reader.length)
        conn.sock.hold()
        try:
            return super().handle_request(req, conn)
        finally:
            conn.sock.release()

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        """Answers and logs what kind of mistake a request was. gunicorn would quote it, a mistyped login included."""
        if req is not None:
            req.uri = req.path  # for the log: without the query
        super().handle_error(req, client, addr, _unquoted(exc) if isinstance(exc, ParseException) else exc)

    def _is_next_request_near(self, conn: Connection) -> bool:
        """Whether it comes before another connection needs the thread; one in memory already is not seen by a poll."""
        free = self.alive and self.tpool._work_queue.empty() and not conn.parser.unreader.buf.getvalue()  # noqa: SLF001
        return free and _readable(conn.sock, NEXT_REQUEST_MILLISECONDS)


def _unquoted(error: ParseException) -> ParseException:
    """An error of the same kind that holds nothing of the request."""
    kind = type(error)
    said = {"__init__": lambda _self: None, "__str__": lambda _self: kind.__name__}
    bare: ParseException = type(kind.__name__, (kind,), said)()
    return bare


def _readable(sock: Any, milliseconds: int) -> bool:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(milliseconds))
