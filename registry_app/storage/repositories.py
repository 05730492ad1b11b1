"""Repositories: which there are, and the removal of a whole one."""

from __future__ import annotations

import time
from bisect import bisect_left
from itertools import islice
from typing import TYPE_CHECKING

from registry_app.errors import ErrorCode, RegistryError
from registry_app.oci.names import Repository
from registry_app.storage.failures import failures_told
from registry_app.storage.files import sync_folder
from registry_app.storage.trash import DELETED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from registry_app.storage.files import Files
    from registry_app.storage.layout import Layout
    from registry_app.storage.listings import Listings
    from registry_app.storage.locks import Locks
    from registry_app.storage.trash import Trash

_PARTS = frozenset({"_layers", "_manifests"})
_DEEPEST = 128  # components in 255 characters


class Repositories:
    """The repositories of one store: whatever has layers or manifests."""

    def __init__(
        self,
        layout: Layout,
        files: Files,
        locks: Locks,
        *,
        trash: Trash,
        listings: Listings,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._layout = layout
        self._files = files
        self._locks = locks
        self._trash = trash
        self._clock = clock
        self._listings = listings
        self._root = str(layout.repositories)

    def all(self) -> Iterator[Repository]:
        """Every repository, sorted by component; walks the tree as far as it is read."""
        return self._below((), ())

    def with_uploads(self) -> Iterator[Repository]:
        """Every repository that has or had uploads, though it may have nothing else yet."""
        return self._below((), (), parts=frozenset({"_uploads"}))

    def iterate(self, *, last: str = "") -> Iterator[str]:
        """The names after `last`, sorted by component; a `last` that is no name is compared as text."""
        return (str(found) for found in self._below((), tuple(last.split("/")) if last else ()))

    def search(self, word: str) -> Iterator[str]:
        """The names that hold this word."""
        return (name for name in self.iterate() if word in name)

    def list(self, *, last: str = "", limit: int | None = None) -> list[str]:
        """Up to `limit` names after `last`."""
        with failures_told():
            return list(islice(self.iterate(last=last), limit))

    def exists(self, repository: Repository) -> bool:
        """Whether it has layers or manifests."""
        return any(self._files.is_folder(folder) for folder in self._parts(repository)[:2])

    def delete(self, repository: Repository) -> None:
        """Removes all of a repository, not those of longer names below it; raises NAME_UNKNOWN."""
        with failures_told(), self._locks.removing_repository(repository):
            if not self.exists(repository):
                raise RegistryError(ErrorCode.NAME_UNKNOWN, name=str(repository))
            run = self._trash.start_run(self._clock(), DELETED)
            for part in self._parts(repository):
                self._trash.forget(part)
                if self._files.is_folder(part):
                    self._trash.throw(run, part)
            sync_folder(self._layout.repository(repository))
            self._remove_empty(self._layout.repository(repository))

    def _parts(self, repository: Repository) -> tuple[Path, ...]:
        layout = self._layout
        return layout.manifests(repository), layout.layers(repository), layout.uploads(repository)

    def _below(
        self, components: tuple[str, ...], after: tuple[str, ...], *, parts: frozenset[str] = _PARTS
    ) -> Iterator[Repository]:
        """Repositories under these components; `after` is what of the lower bound is left at this depth."""
        names = self._listings.names("/".join((self._root, *components)))
        if components and not after and parts.intersection(names):
            yield Repository("/".join(components))
        if len(components) >= _DEEPEST:
            return
        for name in names[bisect_left(names, after[0]) if after else 0 :]:
            if not name.startswith("_"):
                below = (*components, name)
                if after and name == after[0]:
                    yield from self._at_bound(below, after[1:])
                elif _is_name(below):
                    yield from self._below(below, (), parts=parts)

    def _at_bound(self, components: tuple[str, ...], after: tuple[str, ...]) -> Iterator[Repository]:
        """As `_below`, where the lower bound itself, or what leads to it, is not among the results."""
        for found in self._below(components, after):
            if after or found.components != components:
                yield found

    def _remove_empty(self, folder: Path) -> None:
        while folder != self._layout.repositories:
            try:
                folder.rmdir()
            except OSError:
                return
            folder = folder.parent


def _is_name(components: tuple[str, ...]) -> bool:
    try:
        Repository.parse("/".join(components))
    except RegistryError:
        return False
    return True
