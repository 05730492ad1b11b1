"""Blobs: contents under their digest, and the links that make them part of repositories."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry_app.errors import ErrorCode, RegistryError
from registry_app.storage.failures import failures_told
from registry_app.storage.links import has_link, remembered_links, write_link
from registry_app.storage.remembered import Found, Remembered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from typing import BinaryIO

    from registry_app.oci.digests import Digest
    from registry_app.oci.names import Repository
    from registry_app.storage.files import Files
    from registry_app.storage.layout import Layout
    from registry_app.storage.locks import Locks
    from registry_app.storage.trash import Trash

# A lease younger than this is not renewed again: many pulls of one layer write its inode once.
_FRESH = 10.0  # seconds
_MOST_REMEMBERED = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobStat:
    """A blob as it lies on disk; `size` in bytes, `renewed` its lease's beginning in seconds since 1970."""

    digest: Digest
    size: int
    path: Path
    renewed: float


class Contents:
    """Contents under their digest, whoever links them: for the other modules of the storage."""

    def __init__(self, layout: Layout, files: Files, trash: Trash, *, clock: Callable[[], float] = time.time) -> None:
        self._layout = layout
        self._files = files
        self._trash = trash
        self._clock = clock
        self._stats = Remembered(self._stat, most=_MOST_REMEMBERED)

    def find(self, digest: Digest) -> BlobStat | None:
        """The content of this digest; taken back if a collection threw it away."""
        found = self._stats.get(digest).value
        if found is None and self._trash.take_back(self._layout.blob(digest)):
            found = self._stats.get(digest).value
        return found

    def read(self, digest: Digest, *, limit: int) -> tuple[bytes, os.stat_result]:
        """Small content and its file, taken back if a collection threw it away.

        Raises FileNotFoundError, ValueError over the limit.
        """
        path = self._layout.blob(digest)
        try:
            return self._files.read_with_stat(path, limit=limit)
        except FileNotFoundError:
            if not self._trash.take_back(path):
                raise
            return self._files.read_with_stat(path, limit=limit)

    def _stat(self, digest: Digest) -> Found[BlobStat | None]:
        path = self._layout.blob(digest)
        file = self._files.stat(path)
        found = BlobStat(digest=digest, size=file.st_size, path=path, renewed=file.st_mtime) if file else None
        return Found(found, path, file)

    def renew_lease(self, path: Path) -> None:
        """Keeps a file from collection for the time of grace; what cannot be renewed is promised less, that is all."""
        with contextlib.suppress(OSError):
            self.renew_lease_since(path.stat(follow_symlinks=False).st_mtime, path)

    def renew_lease_since(self, renewed: float, path: Path) -> None:
        """As `renew_lease`, for a file whose lease was seen a moment ago to begin at this time."""
        now = self._clock()
        if not 0 <= now - renewed < _FRESH:
            with contextlib.suppress(OSError):
                os.utime(path, (now, now), follow_symlinks=False)

    def publish(self, source: Path, digest: Digest) -> BlobStat:
        """Moves verified content, on disk already, under its digest; replaces what lies there, which heals it."""
        path = self._layout.blob(digest)
        now = self._clock()
        os.utime(source, (now, now), follow_symlinks=False)
        self._files.publish(source, path)
        return BlobStat(digest=digest, size=path.stat(follow_symlinks=False).st_size, path=path, renewed=now)

    def store(self, content: bytes, digest: Digest) -> None:
        """Puts small verified content under its digest, durably."""
        path = self._layout.blob(digest)
        try:
            same = self._files.read(path, limit=len(content)) == content
        except (FileNotFoundError, ValueError):
            same = False
        if same:
            self._files.make_durable(path)
            self.renew_lease(path)
        else:
            self._files.write(path, content)


class Blobs:
    """The blobs of repositories: a blob exists for a repository that links it, and for no other."""

    def __init__(self, layout: Layout, files: Files, contents: Contents, *, locks: Locks, trash: Trash) -> None:
        self._layout = layout
        self._files = files
        self._contents = contents
        self._locks = locks
        self._trash = trash
        self._layers = remembered_links(files, layout.layer)

    def stat(self, repository: Repository, digest: Digest) -> BlobStat:
        """The blob, whose lease is renewed; raises BLOB_UNKNOWN."""
        with failures_told():
            link = self._layers.get((repository, digest))
            found = self._contents.find(digest) if link.value == digest else None
            if found is None or link.file is None:
                raise RegistryError(ErrorCode.BLOB_UNKNOWN, digest=str(digest))
            self._contents.renew_lease_since(link.file.st_mtime, link.path)
            self._contents.renew_lease_since(found.renewed, found.path)
            return found

    def open(self, repository: Repository, digest: Digest) -> tuple[BlobStat, BinaryIO]:
        """The blob and its content, to be closed by the caller; raises BLOB_UNKNOWN."""
        found = self.stat(repository, digest)
        with failures_told():
            try:
                return found, os.fdopen(self._files.open(found.path), "rb", buffering=0)
            except FileNotFoundError:
                raise RegistryError(ErrorCode.BLOB_UNKNOWN, digest=str(digest)) from None

    def mount(self, target: Repository, digest: Digest, sources: Iterable[Repository]) -> BlobStat:
        """Links the blob in `target` too if one of `sources` has it; raises BLOB_UNKNOWN.

        The caller names only repositories that whoever asks may read.
        """
        with failures_told():
            if self._contents.find(digest) is not None:
                # The search may be long, so it is done before the lock; what it found is looked at again under it.
                for source in sources:
                    if has_link(self._files, self._layout.layer(source, digest), digest):
                        found = self._mount_from(target, digest, source)
                        if found is not None:
                            return found
        raise RegistryError(ErrorCode.BLOB_UNKNOWN, digest=str(digest))

    def _mount_from(self, target: Repository, digest: Digest, source: Repository) -> BlobStat | None:
        with self._locks.using(target, [digest]):
            if not has_link(self._files, self._layout.layer(source, digest), digest):
                return None
            found = self._contents.find(digest)
            if found is not None:
                self._contents.renew_lease(found.path)
                self.link(target, digest)
            return found

    def link(self, repository: Repository, digest: Digest) -> None:
        """Makes a blob part of a repository, durably; the caller holds the digest's lock."""
        write_link(self._files, self._layout.layer(repository, digest), digest)

    def delete(self, repository: Repository, digest: Digest) -> None:
        """Takes a blob out of a repository, durably; raises BLOB_UNKNOWN. A collection frees its room later."""
        with failures_told(), self._locks.removing(repository, digest):
            link = self._layout.layer(repository, digest)
            self._trash.forget(link)
            try:
                self._files.remove(link)
            except FileNotFoundError:
                raise RegistryError(ErrorCode.BLOB_UNKNOWN, digest=str(digest)) from None
