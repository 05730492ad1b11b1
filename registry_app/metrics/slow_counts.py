"""Numbers that take a walk to find out: walked for once a minute at most, however often they are asked for."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
WALKED_AGAIN_AFTER = 60.0
WALK_TIMES = 20
"""And not again before so many times as long as the last walk took."""


def remembered(count: Callable[[], T], *, clock: Callable[[], float] = time.monotonic) -> Callable[[], T]:
    """The same number or numbers, some time old at most."""
    lock = threading.Lock()
    known: T | None = None
    due = float("-inf")

    def recall() -> T:
        nonlocal known, due
        with lock:
            if known is None or clock() >= due:
                begun = clock()
                known = count()
                due = clock() + max(WALKED_AGAIN_AFTER, WALK_TIMES * (clock() - begun))
            return known

    return recall
