"""Sockets whose patience ends, and that send the head of an answer together with the beginning of its body."""

from __future__ import annotations

import errno
import select
import socket
import ssl
import struct
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeVar

from registry_app.plain_http import lead_to_https

if TYPE_CHECKING:
    from collections.abc import Callable

    _Socket = socket.socket
else:
    _Socket = object

T = TypeVar("T")

# RFC 8446, 5.1: the kind of the first record of a connection.
TLS_HANDSHAKE = b"\x16"
HEAD_BYTES = 8 * 1024

# A large body comes in packets of a few kilobytes, and to wake up a thread for each costs more than all else.
LARGE = 256 * 1024

# Up to here copying two pieces into one is cheaper than a second system call and a second wake-up of the reader.
JOINED_BYTES = 64 * 1024


class ClientSilentError(ConnectionResetError):
    """A client sent or took nothing for too long. gunicorn takes a reset for a client that left, which it is."""

    def __init__(self) -> None:
        super().__init__(errno.ECONNRESET, "the client was silent for too long")


class Patience(_Socket):
    """Blocks for `patience` seconds where a socket would block for ever; mixed into the two kinds of sockets."""

    patience: ClassVar[float | None] = None
    head: bytes = b""
    """What came of the last request's head, as far as it was looked at: for whoever answers what is no request."""
    _held: bytes | None = None

    def setblocking(self, flag: bool) -> None:  # noqa: FBT001 - the signature of socket.socket
        """Blocking means for a bounded time."""
        wanted = Patience.patience if flag else 0.0
        if self.gettimeout() != wanted:
            self.settimeout(wanted)

    def recv(self, bufsize: int = 1024, flags: int = 0) -> bytes:
        """Received bytes. Raises ClientSilentError."""
        return _or_silent(super().recv, bufsize, flags)

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        """The number of bytes received into the buffer. Raises ClientSilentError."""
        return _or_silent(super().recv_into, buffer, nbytes or len(buffer), flags)

    def receive(self, most: int) -> bytes:
        """What has arrived of something large, none at the end. Raises ClientSilentError."""
        return self.recv(most)

    def hold(self) -> None:
        """Keeps the next piece back until another follows or `release` is called: gunicorn sends a head by itself."""
        self._held = b""

    def release(self) -> None:
        """Sends what is held. Raises ClientSilentError."""
        held, self._held = self._held, None
        if held:
            _or_silent(super().sendall, held)

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Sends all bytes, or holds them. Raises ClientSilentError."""
        if self._held == b"" and len(data) <= JOINED_BYTES:
            self._held = bytes(data)
            return
        if self._held and len(data) <= JOINED_BYTES:
            data, self._held = self._held + data, None
        self.release()
        _or_silent(super().sendall, data, flags)

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Sends a file's bytes by the kernel. Raises ClientSilentError."""
        self.release()
        return _or_silent(super().sendfile, file, offset, count)


class PatientSocket(Patience, socket.socket):
    """A plain socket, whose patience the kernel keeps: Python would ask `poll` before each call."""

    _limited = False
    _least = 1

    def setblocking(self, flag: bool) -> None:  # noqa: FBT001 - the signature of socket.socket
        """Blocking means for a bounded time."""
        wanted = None if flag else 0.0
        if self.gettimeout() != wanted:
            self.settimeout(wanted)
        if flag and not self._limited:
            self._limited = True
            self._limit(Patience.patience or 0)  # 0: for ever

    def taken(self, most: int) -> bytes | None:
        """What has come, without waiting: None if nothing has, no bytes at the end."""
        try:
            return super().recv(most, socket.MSG_DONTWAIT)
        except ClientSilentError:
            return None

    def receive(self, most: int) -> bytes:
        """What has arrived of something large, none at the end. Raises ClientSilentError."""
        if most < LARGE:
            self._wake_at(1)
            return self.recv(most)
        self._wake_at(LARGE)
        # By a poll: a recv that waits has taken what was there already, and of the rest alone, if that is less than
        # LARGE, the kernel wakes nobody.
        arrival = select.poll()
        arrival.register(self, select.POLLIN)
        arrival.poll(Patience.patience and Patience.patience * 1000)
        return self.recv(most, socket.MSG_DONTWAIT)

    def release(self) -> None:
        """Sends what is held, and lets the next request wake who waits for it. Raises ClientSilentError."""
        self._wake_at(1)
        super().release()

    def _wake_at(self, least: int) -> None:
        """How many bytes must have arrived to end a wait; fewer do when the other side ends, or patience does."""
        if least != self._least:
            self.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, least)
            self._least = least

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Sends a file's bytes by the kernel. Raises ClientSilentError."""
        # Python's own way waits for ever where the kernel's patience ends, so it gets one of its own.
        self.settimeout(Patience.patience)
        try:
            return super().sendfile(file, offset, count)
        finally:
            self.settimeout(None)

    def _limit(self, seconds: float) -> None:
        whole = int(seconds)
        limit = struct.pack("@ll", whole, int((seconds - whole) * 1e6))
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            self.setsockopt(socket.SOL_SOCKET, option, limit)


class PatientTlsSocket(Patience, ssl.SSLSocket):
    """The same over TLS."""

    def taken(self, most: int) -> bytes | None:
        """What has come, without waiting: None if nothing has, no bytes at the end. The socket does not block then."""
        self.setblocking(False)
        try:
            return super().recv(most)
        except ssl.SSLWantReadError:
            return None

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - the signature of ssl.SSLSocket
        """Agrees on keys, or leads a client that speaks plain HTTP to HTTPS. Raises ClientSilentError, OSError."""
        # Below TLS, where the kernel keeps what is only looked at. What calls has waited until there is something.
        first = _or_silent(socket.socket.recv, self, HEAD_BYTES, socket.MSG_PEEK)
        if first and not first.startswith(TLS_HANDSHAKE) and (answer := lead_to_https(first)) is not None:
            self._refuse(answer, len(first))
        super().do_handshake(block)

    def _refuse(self, answer: bytes, unread: int) -> NoReturn:
        """Answers below TLS and gives the connection up."""
        # What is left unread when a connection closes makes the kernel reset it, and the answer would be lost.
        socket.socket.recv(self, unread)
        socket.socket.sendall(self, answer)
        raise ConnectionResetError(errno.ECONNRESET, "plain HTTP came to a port that speaks TLS")


def _or_silent(call: Callable[..., T], *arguments: Any) -> T:
    try:
        return call(*arguments)
    except (TimeoutError, BlockingIOError):
        raise ClientSilentError from None
