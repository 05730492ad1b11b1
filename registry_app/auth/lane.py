"""A room in which a bounded number of callers wait for costly checks, and the threads that make them, by priority.

A spray of wrong passwords thus takes time of one core that nobody else wants, and a few waiting threads, never the
process. When the room is full, a caller of the worst rank is sent away, which may be the one that just came.
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

from registry_app.auth.failures import Standing

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

Result = TypeVar("Result")


class LaneFullError(Exception):
    """The attempt was sent away without being looked at: there were too many of as good a rank."""


class Priority(Enum):
    """What a thread gets of the processor when others want it as well."""

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


@dataclass(frozen=True, slots=True)
class Rank:
    """What orders those who wait: first how often one came back after it was sent away, then its standing."""

    returns: int = 0
    standing: Standing = field(default_factory=Standing)
    delay: float = 0.0
    """Seconds before which it is not looked at."""

    @property
    def order(self) -> tuple[int, Standing]:
        """Lower goes first."""
        return -self.returns, self.standing


@dataclass(frozen=True, slots=True)
class Clerk:
    """One thread of a lane. It enters `turn` around each check, so that clerks of several processes can take turns."""

    priority: Priority = Priority.NORMAL
    turn: Callable[[], AbstractContextManager[None]] = nullcontext
    least_returns: int = 0
    """It sees only those who came back so often."""

    def takes(self, rank: Rank) -> bool:
        """Whether such an attempt is one of its own."""
        return rank.returns >= self.least_returns


@dataclass(slots=True)
class _Attempt:
    work: Callable[[], Any]
    rank: Rank
    not_before: float
    result: Future[Any] = field(default_factory=Future)

    def make(self) -> None:
        """Does the work; whatever comes of it belongs to the caller, who waits."""
        try:
            self.result.set_result(self.work())
        except BaseException as error:  # noqa: BLE001  # the caller's, as said
            self.result.set_exception(error)


class Lane:
    """Runs checks for callers that wait. Threads start with the first one, so a fork before that is harmless."""

    def __init__(self, name: str, *clerks: Clerk, places: int) -> None:
        self._name = name
        self._clerks = clerks
        self._places = places
        self._waiting: list[_Attempt] = []
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []

    def run(self, work: Callable[[], Result], rank: Rank) -> Result:
        """What `work` gives, when it is this caller's turn. Raises LaneFullError."""
        attempt = _Attempt(work, rank, time.monotonic() + rank.delay)
        with self._changed:
            self._waiting.append(attempt)
            if len(self._waiting) > self._places:
                self._send_one_away()
            if not all(thread.is_alive() for thread in self._threads) or not self._threads:
                self._start()
            self._changed.notify_all()
        result: Result = attempt.result.result()
        return result

    def _send_one_away(self) -> None:
        worst = max(attempt.rank.order for attempt in self._waiting)
        # By lot among the worst, so that nobody who tries again stays outside for ever.
        unlucky = random.choice([a for a in self._waiting if a.rank.order == worst])  # noqa: S311  # no secret hangs on it
        self._waiting.remove(unlucky)
        unlucky.result.set_exception(LaneFullError())

    def _start(self) -> None:
        self._threads = [
            threading.Thread(target=self._serve, args=(clerk,), name=self._name, daemon=True) for clerk in self._clerks
        ]
        for thread in self._threads:
            thread.start()

    def _serve(self, clerk: Clerk) -> None:
        clerk.priority.take()
        while True:
            self._wait_for_work(clerk)
            # First the turn, then whom it is for: the best of those who wait when it comes.
            with clerk.turn():
                if (attempt := self._take(clerk)) is not None:
                    attempt.make()

    def _wait_for_work(self, clerk: Clerk) -> None:
        with self._changed:
            while (first := min(self._times(clerk), default=None)) is None or first > time.monotonic():
                self._changed.wait(None if first is None else max(0.0, first - time.monotonic()))

    def _times(self, clerk: Clerk) -> list[float]:
        return [attempt.not_before for attempt in self._waiting if clerk.takes(attempt.rank)]

    def _take(self, clerk: Clerk) -> _Attempt | None:
        with self._changed:
            now = time.monotonic()
            ready = [a for a in self._waiting if clerk.takes(a.rank) and a.not_before <= now]
            chosen = min(ready, key=lambda attempt: attempt.rank.order, default=None)
            if chosen is not None:
                self._waiting.remove(chosen)
            return chosen
