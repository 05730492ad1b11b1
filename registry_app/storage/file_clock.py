"""The clock by which a file system stamps changes: how old a stamp is, and how far apart two stamps may be.

A local file system stamps with the kernel's clock, a file server with its own, which may be minutes away from ours.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FINE_TICK, COARSE_TICK = 0.1, 2.5
"""Seconds within which two changes may get the same stamp. Kernels stamp by a clock that goes on every few
milliseconds; file systems are known that keep times to two seconds."""
_ASKED_EVERY = 10.0  # seconds
_MILLISECOND = 1_000_000  # nanoseconds


def tick_of(stamp: int) -> float:
    """Seconds within which another change may get this very stamp (nanoseconds since 1970)."""
    return FINE_TICK if stamp % _MILLISECOND else COARSE_TICK


class FileClock:
    """The clock of the file system that a folder of ours lies on, asked by touching that folder."""

    def __init__(
        self,
        folder: Path,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._wall_clock = wall_clock
        self._ahead: float | None = None
        self._asked = float("-inf")

    def age_of(self, stamp: int) -> float:
        """Seconds since a stamp (nanoseconds since 1970), or fewer; no time at all where nobody can tell."""
        if self._clock() - self._asked >= _ASKED_EVERY:
            self._asked = self._clock()
            self._ahead = self._ask()
        return 0.0 if self._ahead is None else self._wall_clock() + self._ahead - stamp / 1e9

    def _ask(self) -> float | None:
        """How far the file system's clock is ahead of ours, or less; None where it can't be touched."""
        try:
            os.utime(self._folder)
            return self._folder.stat().st_ctime_ns / 1e9 - self._wall_clock()
        except OSError:
            return None
