"""Callers with one and the same claim wait for one check: after a start, every client of a team comes at once."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from registry_app.auth.lane import LaneFullError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

Result = TypeVar("Result")


class JoinedChecks:
    """Runs a check once for all who ask for it while it runs; at most `places` wait for others' checks."""

    def __init__(self, *, places: int) -> None:
        self._places = places
        self._waiting = 0
        self._running: dict[Hashable, Future[Any]] = {}
        self._lock = threading.Lock()

    def run(self, claim: Hashable, check: Callable[[], Result]) -> Result:
        """What `check` gives, or what the same claim's check under way gives. Raises LaneFullError, as it raises."""
        with self._lock:
            others: Future[Result] | None = self._running.get(claim)
            if others is None:
                own: Future[Result] = Future()
                self._running[claim] = own
            elif self._waiting >= self._places:
                raise LaneFullError
            else:
                self._waiting += 1
        return self._lead(claim, own, check) if others is None else self._follow(others)

    def _lead(self, claim: Hashable, own: Future[Result], check: Callable[[], Result]) -> Result:
        try:
            own.set_result(check())
        except BaseException as error:  # noqa: BLE001 - it belongs to everyone who waits, this caller included
            own.set_exception(error)
        finally:
            with self._lock:
                del self._running[claim]
        return own.result()

    def _follow(self, others: Future[Result]) -> Result:
        try:
            return others.result()
        finally:
            with self._lock:
                self._waiting -= 1
