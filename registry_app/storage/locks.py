"""Locks between threads, worker processes and commands on one store.

One file, one byte of it per thing that can be locked, taken as locks of an open file description: they hold between
threads too, and end with the process that held them, however it ended.

Who takes several takes them in this order, so that nobody waits in a circle: repository, digests (sorted), tag.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from registry_app.byte_locks import try_lock, unlock
from registry_app.errors import ErrorCode, RegistryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from registry_app.oci.digests import Digest
    from registry_app.oci.names import Repository, Tag

PATIENCE = 30.0  # seconds
_SHARDS = 65536
_DIGESTS, _REPOSITORIES, _TAGS, _PARITIES, _COLLECTOR = (_SHARDS * part for part in range(5))
_LONGEST_PAUSE = 0.02
_SWEEP_PATIENCE = 0.1
_SLICE = 0.003  # seconds; shorter ones cost a busy machine more than they save


class Locks:
    """The locks of one store."""

    def __init__(self, path: Path, *, patience: float = PATIENCE) -> None:
        self._path = path
        self._patience = patience

    @contextmanager
    def using(self, repository: Repository, digests: Iterable[Digest] = ()) -> Iterator[None]:
        """While others may use the same, but nobody may remove them."""
        with self._open() as descriptor:
            self._take(descriptor, fcntl.F_RDLCK, _REPOSITORIES + _shard(str(repository)))
            for place in sorted({_DIGESTS + _shard(str(digest)) for digest in digests}):
                self._take(descriptor, fcntl.F_RDLCK, place)
            yield

    @contextmanager
    def removing(self, repository: Repository, digest: Digest) -> Iterator[None]:
        """While nobody refers to this digest anew; the repository stays."""
        with self._open() as descriptor:
            self._take(descriptor, fcntl.F_RDLCK, _REPOSITORIES + _shard(str(repository)))
            self._take(descriptor, fcntl.F_WRLCK, _DIGESTS + _shard(str(digest)))
            yield

    @contextmanager
    def removing_repository(self, repository: Repository) -> Iterator[None]:
        """While nobody reads or changes what the repository holds under a lock."""
        with self._open() as descriptor:
            self._take(descriptor, fcntl.F_WRLCK, _REPOSITORIES + _shard(str(repository)))
            yield

    @contextmanager
    def changing_tag(self, repository: Repository, tag: Tag) -> Iterator[None]:
        """While nobody else changes this tag."""
        with self._open() as descriptor:
            self._take(descriptor, fcntl.F_WRLCK, _TAGS + _shard(f"{repository}:{tag}"))
            yield

    @contextmanager
    def sweeping(self) -> Iterator[SweepLocks]:
        """Locks of one digest after the other, for a collection."""
        with self._open() as descriptor:
            yield SweepLocks(descriptor)

    @contextmanager
    def collecting(self) -> Iterator[bool]:
        """Whether this is the only collection that runs on the store."""
        with self._open() as descriptor:
            yield _try_for(descriptor, fcntl.F_WRLCK, _COLLECTOR, patience=0)

    @contextmanager
    def scrubbing(self) -> Iterator[bool]:
        """Whether this is the only scrub that runs on the store."""
        with self._open() as descriptor:
            yield _try_for(descriptor, fcntl.F_WRLCK, _COLLECTOR + 1, patience=0)

    @contextmanager
    def reconciling(self, *, patience: float = 0) -> Iterator[bool]:
        """Whether this is the only comparison of the index with the whole tree; waits this long (seconds) for it."""
        with self._open() as descriptor:
            yield _try_for(descriptor, fcntl.F_WRLCK, _COLLECTOR + 2, patience=patience)

    @contextmanager
    def purging(self) -> Iterator[bool]:
        """Whether this is the only purge of uploads that runs on the store."""
        with self._open() as descriptor:
            yield _try_for(descriptor, fcntl.F_WRLCK, _COLLECTOR + 3, patience=0)

    @contextmanager
    def replacing(self, digest: Digest) -> Iterator[None]:
        """While nobody else moves or looks for the content of this digest under a lock."""
        with self._open() as descriptor:
            self._take(descriptor, fcntl.F_WRLCK, _DIGESTS + _shard(str(digest)))
            yield

    @contextmanager
    def in_epoch(self, read_epoch: Callable[[], int]) -> Iterator[int]:
        """The epoch, which nobody leaves behind (see `wait_for_epoch`) until the end of the block."""
        with self._open() as descriptor:
            while True:
                epoch = read_epoch()
                place = _PARITIES + epoch % 2
                self._take(descriptor, fcntl.F_RDLCK, place)
                if read_epoch() == epoch:
                    break
                unlock(descriptor, place)
            yield epoch

    def wait_for_epoch(self, epoch: int) -> None:
        """Returns when nobody is in an epoch of this parity any more: the present one must be of the other."""
        with self._open() as descriptor:
            self._take(descriptor, fcntl.F_WRLCK, _PARITIES + epoch % 2, patience=600)

    @contextmanager
    def _open(self) -> Iterator[int]:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _take(self, descriptor: int, kind: int, place: int, *, patience: float | None = None) -> None:
        if not _try_for(descriptor, kind, place, patience=self._patience if patience is None else patience):
            raise RegistryError(
                ErrorCode.UNAVAILABLE, message="busy with the same content", headers={"Retry-After": "5"}
            )


class SweepLocks:
    """The locks of a collection: of one digest at a time, and never waited for long."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._yielded = 0.0
        self.longest = 0.0

    @contextmanager
    def holding(self, digest: Digest) -> Iterator[bool]:
        """Whether nobody uses this digest now; if so, nobody does until the end of the block.

        `longest` is the longest time (seconds) that one was held, with the time the thread waited for a processor.
        """
        place = _DIGESTS + _shard(str(digest))
        # Taken early in a time slice: whoever is sent off the processor with a lock holds it until it is back.
        if time.monotonic() - self._yielded > _SLICE:
            os.sched_yield()
            self._yielded = time.monotonic()
        if not _try_for(self._descriptor, fcntl.F_WRLCK, place, patience=_SWEEP_PATIENCE):
            yield False
            return
        taken = time.monotonic()
        try:
            yield True
        finally:
            unlock(self._descriptor, place)
            self.longest = max(self.longest, time.monotonic() - taken)


def _try_for(descriptor: int, kind: int, place: int, *, patience: float) -> bool:
    end = time.monotonic() + patience
    pause = 0.0005
    while not try_lock(descriptor, kind, place):
        if time.monotonic() >= end:
            return False
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)
    return True


def _shard(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=2).digest())
