"""Clients that upload large blobs while a registry restarts: what is cut goes on where the registry says, and only there."""

from __future__ import annotations

import hashlib
import http.client
import random
import ssl
import threading
import time
from base64 import b64encode
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MEGABYTE = 1 << 20
FAILURES = (OSError, http.client.HTTPException)


@dataclass(frozen=True, slots=True)
class Content:
    """Many megabytes of which only one lies in memory: each begins with its number."""

    base: bytes
    megabytes: int

    @property
    def size(self) -> int:
        return self.megabytes * MEGABYTE

    def pieces(self, offset: int) -> Iterator[bytes]:
        """What follows an offset."""
        while offset < self.size:
            number, inside = divmod(offset, MEGABYTE)
            yield (number.to_bytes(8, "big") + self.base[8:])[inside:]
            offset = (number + 1) * MEGABYTE

    def digest(self) -> str:
        """Its sha256."""
        hashed = hashlib.sha256()
        for piece in self.pieces(0):
            hashed.update(piece)
        return f"sha256:{hashed.hexdigest()}"


class LargeUploads:
    """One client that uploads a blob again and again, in a single PATCH, at so many megabytes a second.

    `failures` holds each answer that was not the one due; to be cut in the middle of a PATCH is none.
    """

    def __init__(
        self, port: int, context: ssl.SSLContext, *, megabytes: int, pace: float, seed: int, login: str | None = None
    ) -> None:
        self.done: Counter[str] = Counter()
        self.failures: list[str] = []
        self._port, self._context, self._pace, self._stop = port, context, pace, threading.Event()
        self._content = Content(random.Random(seed).randbytes(MEGABYTE), megabytes)
        self._headers = {"Authorization": f"Basic {b64encode(login.encode()).decode()}"} if login else {}

    @contextmanager
    def running(self) -> Iterator[LargeUploads]:
        """The client at work; at the end it finishes its last upload."""
        thread = threading.Thread(target=self._work)
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join(300)

    def _work(self) -> None:
        digest = self._content.digest()
        while not self._stop.is_set():
            try:
                self._upload(digest)
            except (AssertionError, *FAILURES) as error:
                self.failures.append(f"{time.time():.2f} upload: {error!r}")

    def _upload(self, digest: str) -> None:
        location = self._ask(202, "POST", "/v2/load/large/blobs/uploads/", Content_Length="0").headers["Location"]
        offset = 0
        while (answer := self._send(location, offset)) is None:
            self.done["cut"] += 1
            answer = self._ask(204, "GET", location)
            location, reached = answer.headers["Location"], _reached(answer)
            assert offset <= reached <= self._sent, f"goes on at {reached}, {offset} to {self._sent} are possible"
            self.done["megabytes not sent again"] += (reached - offset) // MEGABYTE
            offset = reached
        location = answer.headers["Location"]
        self._ask(201, "PUT", f"{location}{'&' if '?' in location else '?'}digest={digest}", Content_Length="0")
        assert self._read(digest) == digest, "what comes back is not what was sent"
        self.done["uploads"] += 1

    def _send(self, location: str, offset: int) -> http.client.HTTPResponse | None:
        """The answer to the PATCH of all that follows an offset; None if it was cut."""
        size, connection, self._sent = self._content.size, self._connect(), offset
        headers = {
            "Content-Length": str(size - offset),
            "Content-Range": f"{offset}-{size - 1}",
            "Content-Type": "application/octet-stream",
        }
        try:
            connection.request("PATCH", location, body=self._paced(offset), headers=self._headers | headers)
            answer = connection.getresponse()
            answer.read()
        except FAILURES:
            return None
        finally:
            connection.close()
        return answer if answer.status == 202 else None

    def _paced(self, offset: int) -> Iterator[bytes]:
        for piece in self._content.pieces(offset):
            self._sent += len(piece)
            yield piece
            if not self._stop.is_set():
                time.sleep(1 / self._pace)

    def _read(self, digest: str) -> str:
        connection, hashed = self._connect(), hashlib.sha256()
        try:
            connection.request("GET", f"/v2/load/large/blobs/{digest}", headers=self._headers)
            answer = connection.getresponse()
            assert answer.status == 200, f"GET of the blob: {answer.status}"
            while piece := answer.read(MEGABYTE):
                hashed.update(piece)
        finally:
            connection.close()
        return f"sha256:{hashed.hexdigest()}"

    def _ask(self, due: int, method: str, path: str, **headers: str) -> http.client.HTTPResponse:
        connection = self._connect()
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, headers=self._headers | named)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        assert answer.status == due, f"{method} {path}: {answer.status} {content[:200]!r}"
        self.done[method] += 1
        return answer

    def _connect(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection("localhost", self._port, context=self._context, timeout=60)


def _reached(answer: http.client.HTTPResponse) -> int:
    """The offset to go on at. `0-0` stands for no byte, too: a single one was never sent alone."""
    last = int(answer.headers["Range"].split("-")[1])
    return last + 1 if last else 0
