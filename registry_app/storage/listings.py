"""What lies in the folders of the tree, remembered for as long as the tree itself says that it is still so.

A folder's times change with each entry that comes or goes, whoever made the change: this process, another worker, or a
registry of another make on the same tree. So a list is right without anybody being told of changes, and right after a
crash. The time of its inode is one of them, which nobody can put back: a copy over the tree (tar, rsync, cp) restores
old modification times. A time is believed only when it has stood still for a while: two changes within one tick of the
file system's clock leave the same times behind.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from registry_app.storage.file_clock import tick_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from registry_app.storage.files import Files

# Names, in all folders together, of about a hundred bytes each.
MOST_NAMES = 500_000

Version = tuple[int, int, int, int]
EMPTY: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """The sorted names in a folder. `settled`: they were read after its time had stood still for long enough."""

    version: Version
    names: tuple[str, ...]
    first_seen: float
    settled: bool


class Listings:
    """Sorted names of the folders in a folder; `age_of` tells how old a stamp of the file system is."""

    def __init__(
        self,
        files: Files,
        *,
        age_of: Callable[[int], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._files = files
        self._age_of = age_of
        self._clock = clock
        self._known: dict[str, Listing] = {}  # in the order of remembering
        self._names = 0
        self._changing = threading.Lock()

    def names(self, folder: str) -> tuple[str, ...]:
        """Names of the folders in this folder, sorted; empty if there is no such folder."""
        found = self.look(folder)
        return EMPTY if found is None else found.names

    @contextmanager
    def below(self, root: str) -> Iterator[Callable[[str, str, tuple[str, ...]], bool]]:
        """For a walk over thousands of folders below `root`: whether names that `names` gave for one still lie there.

        Asked with the folder's name below the root, its path, and the names; False where only `names` can tell.
        """
        try:
            top = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            yield lambda *_: False
            return
        stat, known_of = os.stat, self._known.get

        def still(name: str, folder: str, names: tuple[str, ...]) -> bool:
            known = known_of(folder)
            if known is None or known.names is not names or not known.settled:
                return False
            try:
                # By its name below the root the kernel finds it sooner than by its path.
                found = stat(name, dir_fd=top, follow_symlinks=False)
            except OSError:
                return False
            changed, modified, inode, device = known.version
            return (
                found.st_ctime_ns == changed
                and found.st_mtime_ns == modified
                and found.st_ino == inode
                and found.st_dev == device
            )

        try:
            yield still
        finally:
            os.close(top)

    def look(self, folder: str) -> Listing | None:
        """What lies in this folder now; None if there is no such folder."""
        known = self._known.get(folder)
        version = version_of(folder)
        if version is None:
            self._forget(folder)
            return None
        if known is not None and known.version == version:
            if known.settled:
                return known
            first_seen = known.first_seen
        else:
            first_seen = self._clock()
        # The time is asked for before the names: a change in between makes the next look read again.
        changed = version[0]
        settled = max(self._clock() - first_seen, self._age_of(changed)) >= tick_of(changed)
        listing = Listing(version, tuple(sorted(self._files.names(Path(folder)))), first_seen, settled)
        self._remember(folder, listing)
        return listing

    def settled(self) -> list[tuple[str, Version, tuple[str, ...]]]:
        """Every folder whose names are right as long as it has this version."""
        with self._changing:
            return [(path, one.version, one.names) for path, one in self._known.items() if one.settled]

    def seed(self, folders: Iterable[tuple[str, Version, tuple[str, ...]]]) -> None:
        """Remembers what another process, or this one before its last end, found settled."""
        for folder, version, names in folders:
            if folder not in self._known:
                self._remember(folder, Listing(version, names, self._clock(), settled=True))

    def forget_all(self) -> None:
        """Reads every folder anew at the next look."""
        with self._changing:
            self._known.clear()
            self._names = 0

    def _remember(self, folder: str, listing: Listing) -> None:
        with self._changing:
            self._drop(folder)
            self._known[folder] = listing
            self._names += len(listing.names) + 1
            while self._names > MOST_NAMES and len(self._known) > 1:
                self._drop(next(iter(self._known)))

    def _forget(self, folder: str) -> None:
        if folder in self._known:
            with self._changing:
                self._drop(folder)

    def _drop(self, folder: str) -> None:
        dropped = self._known.pop(folder, None)
        if dropped is not None:
            self._names -= len(dropped.names) + 1


def version_of(folder: str) -> Version | None:
    """What changes with each entry that comes or goes, its stamp first; None if there is no such folder.

    Raises OSError where that can't be told.
    """
    try:
        found = os.lstat(folder)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_ctime_ns, found.st_mtime_ns, found.st_ino, found.st_dev
