"""gunicorn's threaded worker with patience that ends: a client that goes silent gives its thread back."""

from __future__ import annotations

import errno
import socket
import ssl
from typing import TYPE_CHECKING, Any, TypeVar

from gunicorn.workers.gthread import ThreadWorker

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Connection(Protocol):
        """What this module needs of gunicorn's connections."""

        sock: socket.socket


T = TypeVar("T")


class ClientSilentError(ConnectionResetError):
    """A client sent or took nothing for too long. gunicorn takes a reset for a client that left, which it is."""

    def __init__(self) -> None:
        super().__init__(errno.ECONNRESET, "the client was silent for too long")


class PatientSocket(socket.socket):
    """A socket that blocks for `patience` seconds where it would block for ever."""

    patience: float | None = None

    def setblocking(self, flag: bool) -> None:  # noqa: FBT001 - the signature of socket.socket
        """Blocking means for a bounded time."""
        self.settimeout(self.patience if flag else 0.0)

    def recv(self, bufsize: int, flags: int = 0) -> bytes:
        """Received bytes. Raises ClientSilentError."""
        return _or_silent(super().recv, bufsize, flags)

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Sends all bytes. Raises ClientSilentError."""
        _or_silent(super().sendall, data, flags)

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Sends a file's bytes by the kernel. Raises ClientSilentError."""
        return _or_silent(super().sendfile, file, offset, count)


class PatientTlsSocket(ssl.SSLSocket):
    """The same over TLS."""

    patience: float | None = None

    def setblocking(self, flag: bool) -> None:  # noqa: FBT001 - the signature of socket.socket
        """Blocking means for a bounded time."""
        self.settimeout(self.patience if flag else 0.0)

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """Received bytes. Raises ClientSilentError."""
        return _or_silent(super().recv, buflen, flags)

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Sends all bytes. Raises ClientSilentError."""
        _or_silent(super().sendall, data, flags)


def _or_silent(call: Callable[..., T], *arguments: Any) -> T:
    try:
        return call(*arguments)
    except TimeoutError:
        raise ClientSilentError from None


class RegistryWorker(ThreadWorker):
    """Serves each connection through a patient socket."""

    def init_process(self) -> None:
        """Sets the patience of this process, then serves until told to stop."""
        PatientSocket.patience = PatientTlsSocket.patience = self.app.settings.http.read_timeout
        super().init_process()

    def enqueue_req(self, conn: Connection) -> None:
        """Hands a connection to a thread."""
        if type(conn.sock) is socket.socket:
            plain = conn.sock
            conn.sock = PatientSocket(plain.family, plain.type, plain.proto, fileno=plain.detach())
            conn.sock.setblocking(False)
        super().enqueue_req(conn)
