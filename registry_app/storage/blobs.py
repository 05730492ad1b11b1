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
    from typing import Any, BinaryIO

    from registry_app.oci.digests import Digest
    from registry_app.oci.names import Repository
    from registry_app.storage.files import Files
    from registry_app.storage.layout import Layout
    from registry_app.storage.locks import Locks
    from registry_app.storage.remembered import Key
    from registry_app.storage.trash import Trash

# A lease younger than this is not renewed again: many pulls of one layer write its inode once.
_FRESH = 10.0  # seconds
_MOST_REMEMBERED = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobStat:
    """A blob as it lies on disk; `size` in bytes."""

    digest: Digest
    size: int
    path: Path


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
        return self._find(digest).value

    def use(self, digest: Digest) -> BlobStat | None:
        """As `find`; its lease is renewed."""
        found = self._find(digest)
        self.renew_found(self._stats, digest, found)
        return found.value

    def _find(self, digest: Digest) -> Found[BlobStat | None]:
        found = self._stats.get(digest)
        if found.value is None and self._trash.take_back(self._layout.blob(digest)):
            found = self._stats.get(digest)
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
        found = BlobStat(digest=digest, size=file.st_size, path=path) if file else None
        return Found(found, path, file)

    def renew_lease(self, path: Path) -> None:
        """Keeps a file from collection for the time of grace; what cannot be renewed is promised less, that is all."""
        with contextlib.suppress(OSError):
            self._renew(path, path.stat(follow_symlinks=False).st_mtime)

    def renew_found(self, remembered: Remembered[Key, Any], key: Key, found: Found[Any]) -> None:
        """As `renew_lease`, for a file that was looked at a moment ago, and is known as well as before."""
        if found.file is not None:
            with contextlib.suppress(OSError):
                if (now := self._renew(found.path, found.file.st_mtime)) is not None:
                    remembered.touched(key, now)

    def _renew(self, path: Path, renewed: float) -> int | None:
        """The time (nanoseconds) that a lease begins anew, None if it began a moment ago."""
        now = self._clock()
        if 0 <= now - renewed < _FRESH:
            return None
        nanoseconds = int(now * 1e9)
        os.utime(path, ns=(nanoseconds, nanoseconds), follow_symlinks=False)
        return nanoseconds

    def move(self, source: Path, digest: Digest) -> BlobStat:
        """Moves verified content, on disk already, under its digest; replaces what lies there, which heals it.

        That it lies there is durable only once its folders are synced.
        """
        path = self._layout.blob(digest)
        now = self._clock()
        os.utime(source, (now, now), follow_symlinks=False)
        self._files.move(source, path)
        return BlobStat(digest=digest, size=path.stat(follow_symlinks=False).st_size, path=path)

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
            name = (repository, digest)
            link = self._layers.get(name)
            if link.value == digest:
                self._contents.renew_found(self._layers, name, link)
                if (found := self._contents.use(digest)) is not None:
                    return found
            raise RegistryError(ErrorCode.BLOB_UNKNOWN, digest=str(digest))

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
        """Makes a blob part of a repository, durably, and the blob before it; the caller holds the digest's lock."""
        write_link(self._files, self._layout.layer(repository, digest), digest, behind=self._layout.blob(digest).parent)

    def delete(self, repository: Repository, digest: Digest) -> None:
        """Takes a blob out of a repository, durably; raises BLOB_UNKNOWN. A collection frees its room later."""
        with failures_told(), self._locks.removing(repository, digest):
            link = self._layout.layer(repository, digest)
            self._trash.forget(link)
            try:
                self._files.remove(link)
            except FileNotFoundError:
                raise RegistryError(ErrorCode.BLOB_UNKNOWN, digest=str(digest)) from None
