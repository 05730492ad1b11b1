"""Who stood out in the last minutes: exact counts by name, bounded in memory, shared among the workers by a file each.

This is how a repository, a user or an address that is not well gets its name into the metrics without a series for
every name that anyone may think of.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from registry_app.metrics.definitions import TOP, WINDOW_MINUTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

MOST_NAMES = 500
"""Names kept for each board and minute; what goes beyond is counted under OTHERS."""
OTHERS = "(others)"

# Minute since the epoch → board → name → amount.
Minutes = dict[int, defaultdict[str, Counter[str]]]


class Recent:
    """The boards of one process; `file` is where the others find them, None where there are no others."""

    def __init__(self, file: Path | None = None, *, clock: Callable[[], float] = time.time) -> None:
        self.file = file
        self._clock = clock
        self._lock = threading.Lock()
        # The worker that had this slot before left its minutes: they are still true.
        self._minutes: Minutes = read_minutes(file) if file is not None else {}
        self._changed = False

    def add(self, board: str, name: str, amount: float = 1) -> None:
        """Counts for a name on a board, now."""
        minute = int(self._clock() // 60)
        with self._lock:
            boards = self._minutes.get(minute)
            if boards is None:
                boards = self._begin(minute)
            names = boards[board]
            if name not in names and len(names) >= MOST_NAMES:
                name = OTHERS
            names[name] += amount  # type: ignore[assignment]  # counts of bytes and events are whole numbers
            self._changed = True

    def _begin(self, minute: int) -> defaultdict[str, Counter[str]]:
        """A new minute; what has left the window goes."""
        for old in [one for one in self._minutes if one <= minute - WINDOW_MINUTES]:
            del self._minutes[old]
        begun = self._minutes[minute] = _boards(())
        return begun

    def minutes(self) -> Minutes:
        """A copy of what is known."""
        with self._lock:
            return {
                minute: _boards((board, Counter(names)) for board, names in boards.items())
                for minute, boards in self._minutes.items()
            }

    def flush(self) -> None:
        """Writes the file anew if anything was counted since, whole or not at all. Raises OSError."""
        if self.file is None or not self._changed:
            return
        self._changed = False
        draft = self.file.with_suffix(".new")
        draft.write_text(json.dumps(self.minutes()), encoding="utf-8")
        draft.replace(self.file)


def read_minutes(file: Path) -> Minutes:
    """What a worker wrote; nothing where there is no such file, or one that was never finished."""
    try:
        written: dict[str, dict[str, dict[str, Any]]] = json.loads(file.read_text(encoding="utf-8"))
        return {
            int(minute): _boards((board, Counter(names)) for board, names in boards.items())
            for minute, boards in written.items()
        }
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _boards(found: Iterable[tuple[str, Counter[str]]]) -> defaultdict[str, Counter[str]]:
    return defaultdict(Counter, found)


def top(all_minutes: Iterable[Minutes], *, now: float, number: int = TOP) -> dict[str, list[tuple[str, float]]]:
    """Board → the names with the most in the window that ends now, most first. Pure."""
    first = int(now // 60) - WINDOW_MINUTES + 1
    sums: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for minutes in all_minutes:
        for minute, boards in minutes.items():
            if minute >= first:
                for board, names in boards.items():
                    sums[board].update(names)
    return {board: list(names.most_common(number)) for board, names in sums.items()}
