"""Tags: one link each to the manifest that it names now."""

from __future__ import annotations

import os
import shutil
from bisect import bisect_right
from itertools import islice
from typing import TYPE_CHECKING

from registry_app.errors import ErrorCode, RegistryError
from registry_app.oci.names import Tag, is_tag
from registry_app.storage.failures import failures_told
from registry_app.storage.files import sync_folder
from registry_app.storage.links import linked_digests, remembered_links, write_link

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from registry_app.oci.digests import Digest
    from registry_app.oci.names import Repository
    from registry_app.storage.files import Files
    from registry_app.storage.layout import Layout
    from registry_app.storage.listings import Listings
    from registry_app.storage.locks import Locks


class Tags:
    """The tags of repositories."""

    def __init__(self, layout: Layout, files: Files, locks: Locks, *, listings: Listings) -> None:
        self._layout = layout
        self._files = files
        self._locks = locks
        self._listings = listings
        self._current = remembered_links(files, layout.current)

    def list(self, repository: Repository, *, last: str = "", limit: int | None = None) -> list[str]:
        """Up to `limit` names after `last`, sorted; raises NAME_UNKNOWN."""
        with failures_told():
            folder = str(self._layout.tags(repository))
            names = self._listings.names(folder)
            if not names and not self._known(repository):
                raise RegistryError(ErrorCode.NAME_UNKNOWN, name=str(repository))
            behind = islice(names, bisect_right(names, last) if last else 0, None)
            return list(islice(_those_that_are_tags(folder, behind), limit))

    def find(self, repository: Repository, tag: Tag) -> Digest | None:
        """The manifest that a tag names."""
        return self._current.get((repository, tag)).value

    def all(self, repository: Repository) -> Iterator[tuple[Tag, Digest]]:
        """Every tag with the manifest that it names."""
        for name in self._files.names(self._layout.tags(repository)):
            tag = _parse(name)
            digest = tag and self.find(repository, tag)
            if tag and digest:
                yield tag, digest

    def damaged(self, repository: Repository) -> Iterator[Tag]:
        """Every tag whose link holds no digest, as a crash of another registry leaves it; it names nothing."""
        for name in self._files.names(self._layout.tags(repository)):
            tag = _parse(name)
            if tag and self._files.exists(self._layout.current(repository, tag)) and not self.find(repository, tag):
                yield tag

    def point(self, repository: Repository, tag: Tag, digest: Digest) -> None:
        """Makes a tag name a manifest, durably; the caller holds the digest's lock."""
        with self._locks.changing_tag(repository, tag):
            write_link(self._files, self._layout.tagged(repository, tag, digest), digest)
            write_link(self._files, self._layout.current(repository, tag), digest)

    def delete(self, repository: Repository, tag: Tag) -> Digest | None:
        """Removes a tag durably, not the manifest it named, which is given back if known; raises MANIFEST_UNKNOWN."""
        with failures_told(), self._locks.changing_tag(repository, tag):
            # One that names nothing, because it is damaged, can be removed too.
            if not self._files.exists(self._layout.current(repository, tag)):
                raise RegistryError(ErrorCode.MANIFEST_UNKNOWN, reference=str(tag))
            named = self.find(repository, tag)
            self._remove(repository, tag)
            return named

    def delete_those_of(self, repository: Repository, digest: Digest) -> None:
        """Removes every tag that names this manifest; the caller excludes that one is made meanwhile."""
        for tag, named in self.all(repository):
            if named == digest:
                with self._locks.changing_tag(repository, tag):
                    if self.find(repository, tag) == digest:
                        self._remove(repository, tag)

    def forget_gone(self, repository: Repository) -> None:
        """Removes from the history of each tag the manifests that the repository has no more."""
        for name in self._files.names(self._layout.tags(repository)):
            if tag := _parse(name):
                for digest in linked_digests(self._files, self._layout.history(repository, tag)):
                    if not self._files.exists(self._layout.revision(repository, digest)):
                        self._forget(repository, tag, digest)

    def _forget(self, repository: Repository, tag: Tag, digest: Digest) -> None:
        # A push writes the revision first, then this entry, under this lock.
        with self._locks.changing_tag(repository, tag):
            if not self._files.exists(self._layout.revision(repository, digest)):
                shutil.rmtree(self._layout.tagged(repository, tag, digest).parent, ignore_errors=True)

    def _remove(self, repository: Repository, tag: Tag) -> None:
        link = self._layout.current(repository, tag)
        link.unlink()
        sync_folder(link.parent)  # the tag is gone from here on; the rest is tidying
        shutil.rmtree(self._layout.tag(repository, tag), ignore_errors=True)

    def _known(self, repository: Repository) -> bool:
        return self._files.is_folder(self._layout.manifests(repository)) or self._files.is_folder(
            self._layout.layers(repository)
        )


def _those_that_are_tags(folder: str, names: Iterable[str]) -> Iterator[str]:
    """The folders that are tags: an interrupted push or delete, or another registry, leaves some that are none."""
    try:
        # Looked up from here: to go the whole way for each would take as long again.
        place = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:  # deleted since
        return
    try:
        yield from (name for name in names if _has_link(place, name) and is_tag(name))
    finally:
        os.close(place)


def _has_link(tags: int, name: str) -> bool:
    try:
        return os.stat(f"{name}/current/link", dir_fd=tags, follow_symlinks=False).st_size > 0
    except (FileNotFoundError, NotADirectoryError):
        return False


def _parse(name: str) -> Tag | None:
    try:
        return Tag.parse(name)
    except RegistryError:
        return None
