"""What lies in the folders of the tree, remembered for as long as the tree itself says that it is still so.

A folder's modification time changes with each entry that comes or goes, whoever made the change: this process, another
worker, or a registry of another make on the same tree. So a list is right without anybody being told of changes, and
right after a crash. A time is believed only when it has stood still for a while: two changes within one tick of the
kernel's clock leave the same time behind.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from registry_app.storage.remembered import STANDS_STILL

if TYPE_CHECKING:
    from collections.abc import Callable

    from registry_app.storage.files import Files

# Names, in all folders together, of about a hundred bytes each.
MOST_NAMES = 500_000

Version = tuple[int, int, int]
EMPTY: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Listing:
    version: Version
    names: tuple[str, ...]
    first_seen: float
    read_at: float

    @property
    def settled(self) -> bool:
        """Whether the names were read after the time had stood still for long enough."""
        return self.read_at - self.first_seen >= STANDS_STILL


class Listings:
    """Sorted names of the folders in a folder."""

    def __init__(self, files: Files, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._files = files
        self._clock = clock
        self._known: dict[str, _Listing] = {}  # in the order of remembering
        self._names = 0
        self._changing = threading.Lock()

    def names(self, folder: str) -> tuple[str, ...]:
        """Names of the folders in this folder, sorted; empty if there is no such folder."""
        known = self._known.get(folder)
        version = _version(folder)
        if version is None:
            self._forget(folder)
            return EMPTY
        if known is not None and known.version == version and known.settled:
            return known.names
        now = self._clock()
        first_seen = known.first_seen if known is not None and known.version == version else now
        # The time is asked for before the names: a change in between makes the next look read again.
        listing = _Listing(version, tuple(sorted(self._files.names(Path(folder)))), first_seen, now)
        self._remember(folder, listing)
        return listing.names

    def _remember(self, folder: str, listing: _Listing) -> None:
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


def _version(folder: str) -> Version | None:
    try:
        found = os.stat(folder, follow_symlinks=False)  # noqa: PTH116 - a Path for each folder costs more than the call
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_dev
