"""Counts in this process what the table says is counted; safe among threads, about a microsecond a request."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from registry_app.metrics.rows import new_row

if TYPE_CHECKING:
    from collections.abc import Iterable

    from registry_app.metrics.rows import Row


class Recorder:
    """Adds to a row: that of the process's slot, or one of its own."""

    def __init__(self, row: Row | None = None) -> None:
        self.row = new_row() if row is None else row
        self._lock = threading.Lock()

    def add_one(self, place: int) -> None:
        """Adds 1 at a place (`rows.place_of`)."""
        with self._lock:
            self.row[place] += 1

    def add(self, amounts: Iterable[tuple[int, float]]) -> None:
        """Adds each amount at its place; a histogram's places are its buckets and its sum."""
        row = self.row
        with self._lock:
            for place, amount in amounts:
                row[place] += amount
