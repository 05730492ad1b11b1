"""Repositories: which there are, and the removal of a whole one."""

from __future__ import annotations

import logging
import shutil
import time
from bisect import bisect_left
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from registry_app.errors import ErrorCode, RegistryError
from registry_app.oci.names import LONGEST_REPOSITORY, Repository, is_component
from registry_app.storage.failures import failures_told, is_full
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

log = logging.getLogger("registry.storage")
_PARTS = frozenset({"_layers", "_manifests"})
_UPLOADS = frozenset({"_uploads"})
_MOST_SHAPES = 200_000


@dataclass(frozen=True, slots=True)
class _Shape:
    """What the names in a folder mean: parts of a repository, and longer names, whole."""

    folder: str
    names: tuple[str, ...]
    parts: tuple[str, ...]
    children: tuple[str, ...]


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
        self._shapes: dict[str, _Shape] = {}

    def all(self) -> Iterator[Repository]:
        """Every repository, sorted by component; walks the tree as far as it is read."""
        return map(Repository, self.iterate())

    def with_uploads(self) -> Iterator[Repository]:
        """Every repository that has or had uploads, though it may have nothing else yet."""
        return map(Repository, self._walk("", _UPLOADS))

    def iterate(self, *, last: str = "") -> Iterator[str]:
        """The names after `last`, sorted by component; a `last` that is no name is compared as text."""
        return self._walk(last, _PARTS)

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
                    self._take_away(run, part)
            sync_folder(self._layout.repository(repository))
            self._remove_empty(self._layout.repository(repository))

    def _take_away(self, run: str, part: Path) -> None:
        try:
            self._trash.throw(run, part)
        except OSError as error:
            if not is_full(error):
                raise
            log.warning("there is no room for the trash: %s is removed for good", part)
            shutil.rmtree(part / "tags", ignore_errors=True)  # which would name what is gone, if this ends half done
            shutil.rmtree(part)

    def _parts(self, repository: Repository) -> tuple[Path, ...]:
        layout = self._layout
        return layout.manifests(repository), layout.layers(repository), layout.uploads(repository)

    def _walk(self, last: str, parts: frozenset[str]) -> Iterator[str]:
        """Names behind `last`, whose folders hold one of these parts. Each folder costs one stat."""
        levels, shapes = [*self._behind(last)], self._shapes
        with self._listings.below(self._root) as still:
            while levels:
                for name in levels[-1]:
                    shape = shapes.get(name)
                    if shape is None or not still(name, shape.folder, shape.names):
                        shape = self._shape(name)
                    if not parts.isdisjoint(shape.parts):
                        yield name
                    if shape.children:
                        levels.append(iter(shape.children))
                        break
                else:
                    levels.pop()

    def _behind(self, last: str) -> Iterator[Iterator[str]]:
        """What is behind a name, on each level that leads to it, the uppermost first."""
        here = ""
        for component in last.split("/"):
            children = self._shape(here).children
            name = f"{here}/{component}" if here else component
            place = bisect_left(children, name)
            found = children[place : place + 1] == (name,)
            yield iter(children[place + found :])
            if not found:
                return
            here = name
        yield iter(self._shape(here).children)

    def _shape(self, name: str) -> _Shape:
        known = self._shapes.get(name)
        folder = known.folder if known else self._folder(name)
        names = self._listings.names(folder)
        if known is None or known.names is not names:
            if len(self._shapes) >= _MOST_SHAPES:
                self._shapes.clear()
            known = self._shapes[name] = _shape_of(name, folder, names)
        return known

    def _folder(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root

    def _remove_empty(self, folder: Path) -> None:
        while folder != self._layout.repositories:
            try:
                folder.rmdir()
            except OSError:
                return
            folder = folder.parent


def _shape_of(name: str, folder: str, names: tuple[str, ...]) -> _Shape:
    prefix = f"{name}/" if name else ""
    room = LONGEST_REPOSITORY - len(prefix)
    parts = tuple(part for part in names if part.startswith("_"))
    children = tuple(prefix + child for child in names if len(child) <= room and is_component(child))
    return _Shape(folder, names, parts, children)
