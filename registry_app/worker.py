"""gunicorn's threaded worker, with bounded patience and without what its threads do twice.

Of a small request's time gunicorn's own way takes most: each one is handed from the poller to a thread and back, its
head and its body are sent one by one, and settings are looked up by a fallback of a fallback. See
docs/decisions/0061-small-requests.md for what each of these costs, and 0083 for who serves which connection.
"""

from __future__ import annotations

import select
import selectors
import socket
import ssl
import time
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from gunicorn.http.body import LengthReader
from gunicorn.http.errors import ParseException
from gunicorn.workers.gthread import _DEFER, ThreadWorker

from registry_app.errors import ErrorCode, RegistryError
from registry_app.heads import head_has_come
from registry_app.http.gate import new_request_id
from registry_app.leading import PATIENCE, Leading
from registry_app.refusals import answer_of, given_id, refusal_of
from registry_app.request_body import AwaitedBody, LengthBody
from registry_app.sockets import Patience, PatientSocket

if TYPE_CHECKING:
    from registry_app.heads import Connection

# How long a worker that was replaced (SIGHUP) goes on with its uploads.
LONGEST_FAREWELL_SECONDS = 3600
# From the first byte to the end of a request's head, TLS's handshake included; less where read_timeout is.
LONGEST_HEAD_SECONDS = 10
# Everything else writes, and waits for the disk or for a body.
SHORT = {"GET", "HEAD"}


class RegistryWorker(ThreadWorker):
    """Serves each connection through a patient socket; small requests without handing them from thread to thread."""

    _port_closed = False

    def init_process(self) -> None:
        """Sets the patience of this process, then serves until told to stop."""
        Patience.patience = self.app.settings.http.read_timeout
        # Found at once, instead of by Config.__getattr__ some twenty times in each request.
        self.cfg.__dict__.update({name: getattr(self.cfg, name) for name in self.cfg.settings})
        # At a stop it is the parent that waits no longer than http.draintimeout.
        self.cfg.__dict__["graceful_timeout"] = LONGEST_FAREWELL_SECONDS
        self._heads: dict[Connection, float] = {}
        self._leading = Leading(self._serve_resting, self._leave, threads=self.cfg.threads)
        super().init_process()

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001 - gunicorn's signature
        """Takes new connections, or none. When the worker stops, the port is closed: who comes now is told at once."""
        if self.alive:
            super().set_accept_enabled(enabled)
        elif not self._port_closed:
            self._port_closed = True
            super().set_accept_enabled(False)
            for listener in self.sockets:
                while _readable(listener):  # taken by the kernel already: to close now would cut them
                    self.accept(listener)
                listener.close()

    def enqueue_req(self, conn: Connection) -> None:
        """Hands a connection to a thread; a new one when something has come on it: gunicorn's would wait with it."""
        if type(conn.sock) is socket.socket:
            plain = conn.sock
            conn.sock = PatientSocket(plain.family, plain.type, plain.proto, fileno=plain.detach())
            conn.sock.setblocking(False)
            conn.data_ready = _readable(conn.sock)
            if not conn.data_ready:
                self._await_first_bytes(conn)
                return
        super().enqueue_req(conn)

    def handle(self, conn: Connection) -> Any:
        """Serves a request whose head is there; lets one whose head is not wait for it without a thread.

        A connection that ends is closed here: its client may take two seconds to see it.
        """
        self._heads.setdefault(conn, time.monotonic())
        try:
            if self.alive and not head_has_come(conn, self.cfg):
                return _DEFER
            outcome = super().handle(conn)
        except OSError as error:  # before there was a request
            self.log.debug("a connection was lost: %s", error)
            outcome = False
        self._heads.pop(conn, None)
        if outcome is False:
            self._leading.resign()
            conn.close(graceful=True)
        return outcome

    def finish_request(self, conn: Connection, fs: Any) -> None:
        """Lets a connection that goes on rest where its next request is served without a hand-over."""
        if conn.sock.fileno() < 0:
            self.nr_conns -= 1
        elif _succeeded(fs) and _more(conn):
            self.enqueue_req(conn)
        elif self.alive and _succeeded(fs):
            self._leading.adopt(conn)
        else:
            super().finish_request(conn, fs)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """What gunicorn's main thread does in its loop, and a look at the leader every few milliseconds meanwhile."""
        end = time.monotonic() + timeout
        while self.alive and self._leading.needs_watching and time.monotonic() < end:
            if self.poller.select(PATIENCE):
                timeout = 0
                break
            self._let_go(self._leading.watch())
        if not self.alive:
            self._let_go(self._leading.release())
        super().wait_for_and_dispatch_events(min(timeout, PATIENCE) if self._leading.needs_watching else timeout)

    def murder_pending(self) -> None:
        """Closes connections on which nothing came, and ends those whose head takes too long."""
        super().murder_pending()
        latest = time.monotonic() - min(LONGEST_HEAD_SECONDS, Patience.patience or LONGEST_HEAD_SECONDS)
        for conn in [conn for conn, since in self._heads.copy().items() if since < latest]:
            self._heads.pop(conn, None)
            with suppress(OSError):  # below TLS; whoever reads next finds the end, and closes it
                socket.socket.shutdown(conn.sock, socket.SHUT_RD)

    def _cap_keepalive(self, deadline: float) -> None:
        """When the worker stops, those on which nothing came are not waited for any longer than those at rest."""
        super()._cap_keepalive(deadline)
        for conn in self.pending_conns:
            conn.timeout = min(conn.timeout, deadline)

    def run(self) -> None:
        """Serves until told to stop."""
        try:
            super().run()
        finally:
            self._leading.end()

    def handle_request(self, req: Any, conn: Connection) -> Any:
        """Serves one parsed request."""
        self._heads.pop(conn, None)
        if not _is_short(req):
            self._leading.resign()
        if type(req.body.reader) is LengthReader:
            req.body = LengthBody(conn.parser.unreader, conn.sock, req.body.reader.length)
        if req._expected_100_continue:  # noqa: SLF001 - gunicorn would say so before anybody has looked at the request
            req._expected_100_continue = False  # noqa: SLF001
            req.body = AwaitedBody(req.body, partial(_go_on, req, conn.sock))
            req.must_close = True
        conn.sock.hold()
        try:
            return super().handle_request(req, conn)
        finally:
            conn.sock.release()

    def _keepalive_after(self, conn: Connection, keepalive: bool) -> Any:  # noqa: FBT001 - gunicorn's signature
        """Whether the connection can be used again; where nothing is left to read, without asking the kernel."""
        message = conn.parser.mesg
        if keepalive and type(message.body) is LengthBody and message.body.ended:
            conn.parser.mesg = None  # or the parser would look once more for what is left
            return True
        try:
            return super()._keepalive_after(conn, keepalive)
        except ParseException:  # in the rest of a body that nobody wanted: its request has been answered already
            return False

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        """Answers and logs what kind of mistake a request was. gunicorn would quote it, a mistyped login included."""
        if isinstance(exc, ssl.SSLError):
            super().handle_error(None, client, addr, exc)
            return
        refusal, request_id = refusal_of(exc), given_id(client.head) or new_request_id()
        known = {"request_id": request_id}
        if refusal is not None:
            self.app.count_refusal(refusal.code.status)
            sender = (addr or ("a unix socket",))[0]
            self.log.warning("refused a request from %s: %s", sender, type(exc).__name__, extra=known)
        else:
            # Without the query.
            method, path = getattr(req, "method", "?"), getattr(req, "path", "?")
            self.log.error("error in %s %s", method, path, exc_info=exc, extra=known)
        with suppress(OSError):
            client.sendall(answer_of(refusal or RegistryError(ErrorCode.UNKNOWN, request_id=request_id), request_id))

    def _serve_resting(self, conn: Connection) -> bool:
        """Answers a request, and those that came together with it; whether the next one can be waited for."""
        outcome = self.handle(conn)
        while outcome is True and _more(conn):
            outcome = self.handle(conn)
        return outcome is True or outcome is _DEFER

    def _await_first_bytes(self, conn: Connection) -> None:
        conn.timeout = time.monotonic() + self.cfg.keepalive
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def _let_go(self, resting: list[Connection]) -> None:
        """Lets connections rest with gunicorn, which closes them in time."""
        for conn in resting:
            super().finish_request(conn, _done(True))

    def _leave(self, conn: Connection, outcome: bool) -> None:  # noqa: FBT001
        if outcome and self.alive:
            self._leading.adopt(conn)  # by way of gunicorn's main thread it would cost two more switches
            return
        self.method_queue.defer(self.finish_request, conn, _done(outcome))


def _is_short(req: Any) -> bool:
    """Whether a request waits for no disk and no body: reads, and the start of an upload, which syncs nothing."""
    if req.method == "POST" and not req.query:
        return type(req.body.reader) is LengthReader and not req.body.reader.length
    return req.method in SHORT


def _done(outcome: bool) -> Future[bool]:  # noqa: FBT001
    future: Future[bool] = Future()
    future.set_result(outcome)
    return future


def _succeeded(future: Future[Any]) -> bool:
    return not future.cancelled() and future.exception() is None and future.result() is True


def _more(conn: Connection) -> bool:
    """Whether something of the next request was read already, by the parser or by TLS: no poller tells of that."""
    return bool(conn.parser.unreader.buf.getvalue() or getattr(conn.sock, "pending", int)())


def _go_on(req: Any, sock: Any) -> None:
    """Tells a client that its body is wanted; where nobody tells it so, the connection ends with the answer."""
    sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    req.must_close = False


def _readable(sock: Any) -> bool:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
