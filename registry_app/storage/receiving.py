"""Takes a body in: writes and hashes it at the same time, in constant memory."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from registry_app.oci.digests import Digest, Hash, new_hash
from registry_app.storage.files import sync_data, write_all

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK = 1024 * 1024
# Written back this often, so that the last fsync of a large layer has little left to do: clients wait for it.
_WRITE_BACK = 32 * CHUNK
# Those who write back wait for the disk: more of them make it no faster, and must not keep hashing waiting.
_WRITERS = 8
_pools: dict[tuple[str, int], ThreadPoolExecutor] = {}


class ByteStream(Protocol):
    """A body: `read(n)` gives at most n bytes, and none at its end."""

    def read(self, size: int, /) -> bytes:
        """The next bytes."""


@dataclass(slots=True)
class RunningHash:
    """The hash of the first `offset` bytes of an upload."""

    algorithm: str
    state: Any
    offset: int = 0

    @classmethod
    def start(cls, algorithm: str) -> RunningHash:
        """The hash of nothing."""
        return cls(algorithm, new_hash(algorithm))

    def copy(self) -> RunningHash:
        """A hash that goes its own way from here."""
        return RunningHash(self.algorithm, self.state.copy(), self.offset)

    @property
    def digest(self) -> Digest:
        """The digest of what was taken in so far."""
        state: Hash = self.state
        return Digest(self.algorithm, state.hexdigest())

    def catch_up(self, descriptor: int, size: int) -> None:
        """Takes in what lies in the file from `offset` to `size`."""
        while self.offset < size:
            chunk = os.pread(descriptor, min(CHUNK, size - self.offset), self.offset)
            if not chunk:
                return
            self.state.update(chunk)
            self.offset += len(chunk)


def receive(
    first: bytes, rest: ByteStream, descriptor: int, *, running: RunningHash, require_room: Callable[[], None]
) -> None:
    """Appends a body at `running.offset`, hashing one chunk and writing earlier ones back while the next is read.

    Whatever ends it, `running` then tells the hash and length of what lies in the file; bytes beyond are cut off.
    Raises LostWriteError, RegistryError (no room), and what `rest` raises.
    """
    os.lseek(descriptor, running.offset, os.SEEK_SET)
    hashing: Future[None] | None = None
    writing_back: Future[None] | None = None
    written_back = running.offset
    try:
        chunk = first
        while chunk:
            if hashing:
                hashing.result()
            write_all(descriptor, chunk)
            hashing = _hash(running, chunk)
            running.offset += len(chunk)
            if running.offset - written_back >= _WRITE_BACK:
                require_room()
                if writing_back:
                    writing_back.result()
                writing_back = _pool("writing-back", _WRITERS).submit(sync_data, descriptor)
                written_back = running.offset
            chunk = rest.read(CHUNK)
    finally:
        wait([future for future in (hashing, writing_back) if future])
        os.ftruncate(descriptor, running.offset)
        if writing_back:
            writing_back.result()  # the kernel tells a lost write once: it ends the upload, whatever else went wrong


def _hash(running: RunningHash, chunk: bytes) -> Future[None] | None:
    """Hashes beside the caller, who reads the next chunk: hashing releases the interpreter's lock."""
    if len(chunk) < CHUNK // 8:
        running.state.update(chunk)
        return None
    return _pool("hashing", os.cpu_count() or 1).submit(running.state.update, chunk)


def _pool(name: str, threads: int) -> ThreadPoolExecutor:
    key = name, os.getpid()  # threads do not survive a fork
    if key not in _pools:
        _pools[key] = ThreadPoolExecutor(max_workers=threads, thread_name_prefix=name)
    return _pools[key]
