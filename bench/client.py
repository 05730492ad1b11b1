"""A small pushing client: POST, then one PUT, as containerd does; one connection a thread."""

from __future__ import annotations

import http.client
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from email.message import Message
    from types import TracebackType

    from bench.stand import Stand

BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Body:
    """Bytes that are made while they are sent: a block repeated, each time with another number in front."""

    block: bytes
    size: int
    first: int

    def pieces(self) -> Iterable[bytes]:
        """The bytes, in pieces of one block."""
        rest = memoryview(self.block)[8:]
        for number in range(self.size // len(self.block)):
            yield (self.first + number).to_bytes(8, "big")
            yield rest  # type: ignore[misc] # a buffer is as good as bytes for hashing and sending

    def piece(self, number: int) -> bytes:
        """One block of it."""
        return (self.first + number).to_bytes(8, "big") + self.block[8:]

    def digest(self) -> str:
        """sha256 of all of it."""
        hashed = sha256()
        for piece in self.pieces():
            hashed.update(piece)
        return f"sha256:{hashed.hexdigest()}"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that was read to its end; `body` is empty where somebody else took it."""

    status: int
    headers: Message
    body: bytes


class Client:
    """One connection to a contender, as one of its users."""

    def __init__(self, stand: Stand, number: int = 0) -> None:
        context = ssl.create_default_context(cafile=str(stand.workspace.certificate))
        self._connection = http.client.HTTPSConnection("localhost", stand.port, context=context, timeout=900)
        self._connection.blocksize = BLOCK
        self._headers = stand.headers(number)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._connection.close()

    def ask(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        take: Callable[[bytes], object] | None = None,
        **headers: str,
    ) -> Answer:
        """One answer, read to its end; its body goes to `take`, in pieces, if that is given."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request(method, path, body=body, headers=self._headers | named)
        answer = self._connection.getresponse()
        if take is None:
            return Answer(answer.status, answer.headers, answer.read())
        while piece := answer.read(BLOCK):
            take(piece)
        return Answer(answer.status, answer.headers, b"")

    def push(self, repository: str, data: bytes | Body, digest: str) -> float:
        """Uploads a blob; gives the seconds between the last byte sent and the answer. Raises RuntimeError."""
        path = self._start(repository)
        size = data.size if isinstance(data, Body) else len(data)
        path += ("&" if "?" in path else "?") + f"digest={digest}"
        connection = self._connection
        connection.putrequest("PUT", path)
        for name, value in self._headers.items():
            connection.putheader(name, value)
        connection.putheader("Content-Type", "application/octet-stream")
        connection.putheader("Content-Length", str(size))
        connection.endheaders()
        for piece in data.pieces() if isinstance(data, Body) else (data,):
            connection.send(piece)
        sent = time.monotonic()
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 201:
            raise RuntimeError(f"PUT of a blob answered {answer.status}: {text[:300]!r}")
        return time.monotonic() - sent

    def put_manifest(self, repository: str, reference: str, manifest: bytes, media_type: str) -> None:
        """Pushes a manifest. Raises RuntimeError."""
        path = f"/v2/{repository}/manifests/{reference}"
        answer = self.ask("PUT", path, body=manifest, Content_Type=media_type)
        if answer.status != 201:
            raise RuntimeError(f"PUT of a manifest answered {answer.status}")

    def _start(self, repository: str) -> str:
        answer = self.ask("POST", f"/v2/{repository}/blobs/uploads/", Content_Length="0")
        if answer.status != 202:
            raise RuntimeError(f"POST of an upload answered {answer.status}")
        location = urlsplit(answer.headers["Location"])
        return location.path + (f"?{location.query}" if location.query else "")


def at_once(stand: Stand, jobs: Sequence[Callable[[Client], float]], *, connections: int) -> list[float]:
    """Runs all jobs over that many connections; what each gave, in no order."""
    shares = [jobs[n::connections] for n in range(connections)]

    def work(number: int) -> list[float]:
        with Client(stand, number) as client:
            return [job(client) for job in shares[number]]

    with ThreadPoolExecutor(connections) as pool:
        return [value for values in pool.map(work, range(connections)) for value in values]
