"""Numbers that take a walk to find out: walked for once a minute at most, however often they are asked for."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

WALKED_AGAIN_AFTER = 60.0
WALK_TIMES = 20
"""And not again before so many times as long as the last walk took."""


def remembered(count: Callable[[], float], *, clock: Callable[[], float] = time.monotonic) -> Callable[[], float]:
    """The same number, some time old at most."""
    lock = threading.Lock()
    known, due = 0.0, float("-inf")

    def recall() -> float:
        nonlocal known, due
        with lock:
            if clock() >= due:
                begun = clock()
                known = count()
                due = clock() + max(WALKED_AGAIN_AFTER, WALK_TIMES * (clock() - begun))
            return known

    return recall
