"""Numbers that take a walk to find out: walked for once a minute at most, and not while a scrape waits.

On a large store whose disk is slow a walk takes minutes. A scrape has ten seconds for everything: one that waited would
fail, and people would be told that the registry does not answer.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, wait
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
WALKED_AGAIN_AFTER = 60.0
WALK_TIMES = 20
"""And not again before so many times as long as the last walk took."""
WAITED_FOR = 1.0
"""Seconds. Most walks take less, and what they find is told at once."""


class SlowCount(Generic[T]):
    """Called, it gives the same number or numbers, some time old at most."""

    def __init__(
        self, count: Callable[[], T], *, clock: Callable[[], float] = time.monotonic, patience: float = WAITED_FOR
    ) -> None:
        self._count = count
        self._clock = clock
        self._patience = patience
        self._lock = threading.Lock()
        self._due = float("-inf")
        self._last: Future[T] | None = None
        self._under_way: Future[T] | None = None

    def __call__(self) -> T | None:
        """What the last walk found, None before the end of the first. Raises what the last walk failed with."""
        with self._lock:
            if self._under_way is None and self._clock() >= self._due:
                self._under_way = Future()
                threading.Thread(target=self._walk, args=(self._under_way,), name="slow count", daemon=True).start()
            told, awaited = self._last, self._under_way
        if awaited is not None and wait([awaited], timeout=self._patience).done:
            told = awaited
        return None if told is None else told.result()

    def _walk(self, result: Future[T]) -> None:
        begun = self._clock()
        try:
            settle: Callable[[], None] = partial(result.set_result, self._count())
            due = self._clock() + max(WALKED_AGAIN_AFTER, WALK_TIMES * (self._clock() - begun))
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to those who ask
            settle = partial(result.set_exception, error)
            due = begun  # tried again by whoever asks next
        with self._lock:
            self._last, self._under_way, self._due = result, None, due
            settle()
