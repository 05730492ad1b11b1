"""Tells manifests that are pushed while a collection runs to write down what they refer to.

A collection marks what is referred to, then sweeps the rest. A manifest that is pushed in between refers to contents
that the mark may have missed. No clock can tell: so the collection opens an odd epoch before it marks, and every
manifest of an odd epoch adds its references to that epoch's log before it checks that they exist. Under the lock of a
digest the sweep looks into the log once more. Manifests of the even epoch before are waited for, and marked.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from registry_app.storage.files import write_new

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from registry_app.oci.digests import Digest
    from registry_app.storage.layout import Layout
    from registry_app.storage.locks import Locks

_SIZE = 8
_PIECE = 64 * 1024


class Epochs:
    """The epochs of one store; the number is overwritten in place, which works on a full disk too."""

    def __init__(self, layout: Layout, locks: Locks) -> None:
        self._layout = layout
        self._locks = locks

    def prepare(self) -> None:
        """Makes the files of a collection while there is room: the first one may come on a full disk.

        An epoch that another process enters at this moment stays as it is.
        """
        if self._layout.epoch.exists():
            return
        draft = self._layout.drafts / str(uuid.uuid4())
        with contextlib.suppress(OSError):
            self._layout.references(0).touch(0o600)
            write_new(draft, bytes(_SIZE))
            os.link(draft, self._layout.epoch)
        with contextlib.suppress(OSError):
            draft.unlink()

    @contextmanager
    def referring_to(self, digests: Iterable[Digest]) -> Iterator[None]:
        """While a manifest is made that refers to these."""
        with self._locks.in_epoch(self._read) as epoch:
            if epoch % 2:
                # A line of its own from the start: whoever wrote before may have been cut off by a kill or a full disk.
                self._append(epoch, "".join(f"\n{digest}" for digest in [*digests, ""]))
            yield

    @contextmanager
    def collection(self) -> Iterator[ReferenceLog]:
        """An odd epoch; every manifest of the time before is on disk when the block begins."""
        epoch = self._read()
        if epoch % 2:  # left by a collection that was killed
            epoch = self._enter(epoch + 1)
        self._locks.wait_for_epoch(epoch + 1)  # those who came late in the last collection
        path = self._layout.references(epoch + 1)
        self._make_log(path)
        epoch = self._enter(epoch + 1)
        try:
            self._locks.wait_for_epoch(epoch - 1)
            with ReferenceLog(os.open(path, os.O_RDONLY | os.O_NOFOLLOW)) as log:
                yield log
        finally:
            self._enter(epoch + 1)

    def _read(self) -> int:
        try:
            descriptor = os.open(self._layout.epoch, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            return 0
        try:
            return int.from_bytes(os.pread(descriptor, _SIZE, 0))
        finally:
            os.close(descriptor)

    def _enter(self, epoch: int) -> int:
        descriptor = os.open(self._layout.epoch, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            os.pwrite(descriptor, epoch.to_bytes(_SIZE), 0)
        finally:
            os.close(descriptor)
        return epoch

    def _append(self, epoch: int, lines: str) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
        descriptor = os.open(self._layout.references(epoch), flags, 0o600)
        try:
            # Whole or once more: between two parts of it others may write.
            while os.write(descriptor, lines.encode()) < len(lines):
                pass
        finally:
            os.close(descriptor)

    def _make_log(self, path: Path) -> None:
        """An empty log, of the file of the last one: a full disk may have no room for another file."""
        for old in self._layout.own.glob("references.*"):
            with contextlib.suppress(FileNotFoundError):
                old.rename(path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        try:
            os.close(os.open(path, flags, 0o600))
        except PermissionError:  # made by a collection of another user
            path.unlink()
            os.close(os.open(path, flags, 0o600))


class ReferenceLog:
    """What manifests came to refer to since the collection began."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._offset = 0
        self._rest = ""
        self._seen: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def holds(self, digest: Digest) -> bool:
        """Whether a manifest refers to this since; exact under the digest's exclusive lock."""
        while more := os.pread(self._descriptor, _PIECE, self._offset):
            self._take_in(more)
            if len(more) < _PIECE:
                break  # its end: whoever writes later holds no lock yet
        return str(digest) in self._seen

    def _take_in(self, more: bytes) -> None:
        self._offset += len(more)
        *lines, self._rest = (self._rest + more.decode("ascii")).split("\n")
        self._seen.update(lines)
