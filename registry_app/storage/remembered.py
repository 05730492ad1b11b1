"""What was found out about a file, remembered for as long as the very same file lies at its path.

Most requests of a busy registry read the same links and manifests again. A file that was opened by its exact path is
known by its identity from then on: device, inode, size, and the times of its last change. One look at these takes the
place of opening, proving that no symbolic link led there, reading, hashing and parsing. Every write of ours puts a new
file in the place of the old one, and whatever else changes a file changes the time of its inode.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from pathlib import Path

Key = TypeVar("Key", bound="Hashable")
Value = TypeVar("Value")
Identity = tuple[int, int, int, int, int]

STANDS_STILL = 2.5
"""Seconds. Two changes within one tick of the kernel's clock leave the same times behind; file systems are known that
keep times to two seconds."""


@dataclass(frozen=True, slots=True)
class Found(Generic[Value]):
    """What was read from the file at `path`, and `file`: its state just before, None if there is no such file.

    What is not worth its room in memory says so by `keep`.
    """

    value: Value
    path: Path
    file: os.stat_result | None
    keep: bool = True


@dataclass(frozen=True, slots=True)
class _Known(Generic[Value]):
    path: str
    identity: Identity
    found: Found[Value]


class Remembered(Generic[Key, Value]):
    """What `read` gives for a key, read again when another file lies there; safe to ask from several threads.

    At `most` entries all are forgotten, which costs each one reading.
    """

    def __init__(
        self, read: Callable[[Key], Found[Value]], *, most: int, clock: Callable[[], float] = time.time
    ) -> None:
        self._read = read
        self._most = most
        self._clock = clock
        self._known: dict[Key, _Known[Value]] = {}

    def touched(self, key: Key, modified: int) -> None:
        """Goes on believing what is known of a file whose times the caller has just set, to `modified` (nanoseconds).

        For files whose name tells their content: a change in place since the last look would go unseen.
        """
        known = self._known.get(key)
        file = None if known is None else _stat(known.path)
        if known is None or file is None:
            return
        identity = _identity(file)
        # Whoever wrote to the file after that set another time.
        if identity[:3] == known.identity[:3] and file.st_mtime_ns == modified:
            self._known[key] = _Known(known.path, identity, replace(known.found, file=file))

    def get(self, key: Key) -> Found[Value]:
        """What is true of the file now; raises as `read` does."""
        known = self._known.get(key)
        if known is not None and (file := _stat(known.path)) and _identity(file) == known.identity:
            return known.found
        found = self._read(key)
        if found.keep and found.file is not None and self._clock() - found.file.st_ctime > STANDS_STILL:
            if len(self._known) >= self._most:
                self._known.clear()
            self._known[key] = _Known(str(found.path), _identity(found.file), found)
        return found


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)  # noqa: PTH116 - a Path for each look costs more than the look
    except OSError:
        return None


def _identity(found: os.stat_result) -> Identity:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
