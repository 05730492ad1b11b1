"""The body of a request: read whole or refused, and drained before an answer that did not want it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from registry_app.errors import ErrorCode, RegistryError

if TYPE_CHECKING:
    from falcon import Request

# Clients in Go report a broken pipe instead of our answer when we answer without having read; but nobody may make
# us read for ever.
DRAIN_BYTES = 16 << 20
DRAIN_SECONDS = 5.0
PIECE = 1 << 20


class Readable(Protocol):
    """What a server gives as the body."""

    def read(self, size: int, /) -> bytes:
        """Up to so many bytes; none at the end."""
        ...


class BodyCutError(RegistryError):
    """A body ended before its end; to the client BLOB_UPLOAD_INVALID, unless the resource knows better."""

    def __init__(self) -> None:
        super().__init__(ErrorCode.BLOB_UPLOAD_INVALID, message="the body of the request ended early")


class RequestBody:
    """A body that is never mistaken for a shorter one: its end is only an end where the client said so.

    `length` is what Content-Length says, None for a chunked body, whose end the server's own parser checks. An
    `awaited` body is sent only when somebody reads it.
    """

    def __init__(self, stream: Readable, length: int | None, *, awaited: bool = False) -> None:
        self._stream = stream
        self._awaited = awaited
        self.length = length
        self._read = 0
        self._ended = length == 0
        self.broken = False

    @property
    def received(self) -> int:
        """Bytes read so far."""
        return self._read

    @property
    def ended(self) -> bool:
        """Whether everything was read."""
        return self._ended

    def read(self, size: int = PIECE) -> bytes:
        """Up to `size` bytes, none at the end. Raises BodyCutError where the body ends early."""
        if self._ended or size == 0:
            return b""
        if self.length is not None:
            size = min(size, self.length - self._read)
        try:
            piece = self._stream.read(size)
        except Exception as error:
            # Each server has its own exceptions for a cut or malformed body, and every one of them means that.
            self.broken = True
            raise BodyCutError from error
        self._read += len(piece)
        if not piece and self.length is not None:
            self.broken = True
            raise BodyCutError
        self._ended = not piece or self._read == self.length
        return piece

    def drain(self) -> None:
        """Reads what is left, up to a bound, and forgets it; not what its client keeps until it is asked for."""
        if self._awaited and not self._read:
            return
        end = time.monotonic() + DRAIN_SECONDS
        left = DRAIN_BYTES
        while not self._ended and not self.broken and left > 0 and time.monotonic() < end:
            try:
                left -= len(self.read(PIECE // 4))
            except RegistryError:
                return


def body_of(req: Request) -> RequestBody:
    """The body of a request."""
    # Not bounded_stream: it is empty for chunked bodies, which Docker sends.
    chunked = req.get_header("Transfer-Encoding") is not None
    awaited = req.get_header("Expect") is not None
    return RequestBody(req.stream, None if chunked else req.content_length or 0, awaited=awaited)
