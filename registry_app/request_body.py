"""Request bodies as gunicorn sees them: of known length, or waiting to be asked for.

gunicorn's own reader copies each byte about four times on its way; for a layer of a gigabyte that is a second of CPU.
Bodies in chunks stay with gunicorn, whose parser knows their every edge.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

PIECE = 1 << 20


class Source(Protocol):
    """Where the rest comes from."""

    def receive(self, most: int, /) -> bytes:
        """What has arrived, none at the end."""
        ...


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

    def __init__(self, unreader: Unreader, source: Source, length: int) -> None:
        ahead = unreader.take_buffered()
        if len(ahead) > length:
            unreader.unread(ahead[length:])
        self._ahead = ahead[:length]
        self._source = source
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
        """What has arrived, up to `size` bytes; none at the end. Raises OSError where the connection breaks before."""
        if self._broken:
            raise self._broken
        wanted = min(self._left, PIECE if size is None or size < 0 else size)
        if not wanted:
            return b""
        if self._ahead:
            piece, self._ahead = self._ahead[:wanted], self._ahead[wanted:]
        else:
            piece = self._receive(wanted)
        self._left -= len(piece)
        return piece

    def _receive(self, wanted: int) -> bytes:
        try:
            piece = self._source.receive(wanted)
            if not piece:
                raise ConnectionResetError(errno.ECONNRESET, "the connection ended in the middle of a body")
        except OSError as error:
            self._broken = error
            raise
        return piece
