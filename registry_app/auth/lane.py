"""One thread that does costly checks one after the other, at a priority, for a bounded number of waiting callers.

A spray of wrong passwords thus takes time of one core that nobody else wants, and a few waiting threads, never the
process. When the room is full, a caller with the worst standing is sent away, which may be the one that just came.
"""

from __future__ import annotations

import os
import random
import threading
import time
from concurrent.futures import Future
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from registry_app.auth.failures import Standing

Result = TypeVar("Result")


class LaneFullError(Exception):
    """The attempt was sent away without being looked at: there were too many with as good a standing."""


class Priority(Enum):
    """What a lane's thread gets of the processor when others want it as well."""

    NORMAL = auto()
    LOW = auto()
    """A tenth of a share: slower, never starved."""
    IDLE = auto()
    """Next to nothing, and it gives way at once, where the others wait for the end of a time slice."""

    def take(self) -> None:
        """Gives the calling thread this priority; there is no way back up. A sandbox may forbid the lowest."""
        thread = threading.get_native_id()  # of this thread alone, on Linux
        if self is not Priority.NORMAL and os.getpriority(os.PRIO_PROCESS, thread) < _NICENESS:
            os.setpriority(os.PRIO_PROCESS, thread, _NICENESS)
        if self is Priority.IDLE:
            with suppress(OSError):
                os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


_NICENESS = 10


@dataclass(slots=True)
class _Attempt:
    work: Callable[[], Any]
    standing: Standing
    not_before: float
    result: Future[Any] = field(default_factory=Future)


class Lane:
    """Runs checks for callers that wait. The thread starts with the first one, so a fork before that is harmless.

    `turn` is entered around each check: lanes of several processes can take turns by it.
    """

    def __init__(
        self,
        name: str,
        *,
        places: int,
        priority: Priority = Priority.NORMAL,
        turn: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._name = name
        self._places = places
        self._priority = priority
        self._turn = turn
        self._waiting: list[_Attempt] = []
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def run(self, work: Callable[[], Result], standing: Standing) -> Result:
        """What `work` gives, after the delay that goes with the standing. Raises LaneFullError."""
        attempt = _Attempt(work, standing, time.monotonic() + standing.delay)
        with self._changed:
            self._waiting.append(attempt)
            if len(self._waiting) > self._places:
                self._send_one_away()
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
                self._thread.start()
            self._changed.notify()
        result: Result = attempt.result.result()
        return result

    def _send_one_away(self) -> None:
        worst = max(attempt.standing for attempt in self._waiting)
        # By lot among the worst, so that nobody who tries again stays outside for ever.
        unlucky = random.choice([a for a in self._waiting if a.standing == worst])  # noqa: S311  # no secret hangs on it
        self._waiting.remove(unlucky)
        unlucky.result.set_exception(LaneFullError())

    def _serve(self) -> None:
        self._priority.take()
        while True:
            attempt = self._next()
            try:
                with self._turn():
                    outcome = attempt.work()
                attempt.result.set_result(outcome)
            except BaseException as error:  # noqa: BLE001  # it belongs to the caller, who waits for it
                attempt.result.set_exception(error)

    def _next(self) -> _Attempt:
        with self._changed:
            while True:
                now = time.monotonic()
                ready = [attempt for attempt in self._waiting if attempt.not_before <= now]
                if ready:
                    chosen = min(ready, key=lambda attempt: attempt.standing)
                    self._waiting.remove(chosen)
                    return chosen
                self._changed.wait(min((a.not_before - now for a in self._waiting), default=None))
