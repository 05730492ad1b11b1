"""Request bodies as gunicorn sees them: of known length, or waiting to be asked for.

gunicorn's own reader copies each byte about four times on its way; for a layer of a gigabyte that is a second of CPU.
Bodies in chunks stay with gunicorn, whose parser knows their every edge.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable


class Unreader(Protocol):
    """What gunicorn's parser has read ahead."""

    def take_buffered(self) -> bytes:
        """All of it, which is then gone from there."""
        ...

    def unread(self, data: bytes) -> None:
        """Puts bytes back, for the next request."""
        ...


class Body(Protocol):
    """What gunicorn reads a request's content from."""

    def read(self, size: int | None = None) -> bytes:
        """Up to `size` bytes, none at the end."""
        ...


class AwaitedBody:
    """A body that its client sends when it is told to: by the first read of it (RFC 9110, 10.1.1).

    So whatever can be judged by the head of a request is judged before a byte of its body travels.
    """

    def __init__(self, body: Body, go_on: Callable[[], None]) -> None:
        self._body = body
        self._go_on = go_on
        self._told = False

    @property
    def failed(self) -> bool:
        """Whether the connection broke, so that no other request can follow on it."""
        return bool(getattr(self._body, "failed", False))

    def read(self, size: int | None = None) -> bytes:
        """As the body's own."""
        if not self._told:
            self._told = True
            self._go_on()
        return self._body.read(size)


class LengthBody:
    """In gunicorn's eyes a body; what has arrived is given out before an error is."""

    def __init__(self, unreader: Unreader, sock: socket.socket, length: int) -> None:
        ahead = unreader.take_buffered()
        if len(ahead) > length:
            unreader.unread(ahead[length:])
        self._ahead = memoryview(ahead)[:length]
        self._sock = sock
        self._left = length
        self._broken: OSError | None = None

    @property
    def failed(self) -> bool:
        """Whether the connection broke, so that no other request can follow on it."""
        return self._broken is not None

    @property
    def ended(self) -> bool:
        """Whether all of it was read, so that the next request can follow."""
        return not self._left and not self._broken

    def read(self, size: int | None = None) -> bytes:
        """Up to `size` bytes, fewer only where the body ends or the connection breaks; raises OSError after that."""
        if self._broken:
            raise self._broken
        if not self._left:
            return b""
        wanted = self._left if size is None or size < 0 else min(size, self._left)
        piece = bytearray(wanted)
        filled = min(wanted, len(self._ahead))
        piece[:filled], self._ahead = self._ahead[:filled], self._ahead[filled:]
        with memoryview(piece) as view:
            while filled < wanted and not self._broken:
                filled += self._receive(view[filled:])
        if self._broken and not filled:
            raise self._broken
        self._left -= filled
        del piece[filled:]
        return bytes(piece)

    def _receive(self, view: memoryview) -> int:
        try:
            received = self._sock.recv_into(view)
        except OSError as error:
            self._broken = error
            return 0
        if not received:
            self._broken = ConnectionResetError(errno.ECONNRESET, "the connection ended in the middle of a body")
        return received
