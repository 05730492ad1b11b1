"""When to look at logins that were never right before: by whoever came back, then by who failed least; never at once.

Most of them are people's first logins. In a spray of guesses they are not, and nothing tells which is which before the
check, so it is not told: names that exist have no better place than others, or the place would say which do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from registry_app.auth.joining import JoinedChecks
from registry_app.auth.lane import Clerk, Lane, LaneFullError, Priority, Rank

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from registry_app.auth.failures import Failures, Standing
    from registry_app.auth.shared import SharedLogins

Result = TypeVar("Result")

MOST_SPRAYED = 8
"""What stands in a spray's queue is guesses, nearly all."""


@dataclass(frozen=True, slots=True)
class Places:
    """How many attempts may wait in one process, each in a thread: in calm times, in a spray, for others' checks."""

    calm: int
    sprayed: int
    joining: int

    @classmethod
    def among(cls, threads: int) -> Places:
        """So many that a team which comes all at once after a start finds room; a quarter of the threads goes on.

        Most of a team's clients come with the password of one robot, and join its check.
        """
        sprayed = max(1, min(MOST_SPRAYED, threads // 8))
        return cls(calm=max(1, threads * 3 // 16), sprayed=sprayed, joining=max(1, threads * 7 // 16 - 1))


class Strangers:
    """The queue of unproven attempts of one worker.

    In calm times one thread of low priority looks at them. In a spray an idle one does, one check at a time among all
    workers; those who came back after they were turned away have a part of a core of their own, so that a busy machine
    does not keep them out.
    """

    def __init__(self, shared: SharedLogins, failures: Failures, *, places: Places, clock: Callable[[], float]) -> None:
        self._turned_away = shared.turned_away
        self._failures = failures
        self._clock = clock
        self._calm = Lane("logins", Clerk(Priority.LOW), places=places.calm)
        self._sprayed = Lane(
            "logins-sprayed",
            Clerk(Priority.IDLE, shared.turn),
            Clerk(Priority.LOW, shared.short_turn, least_returns=1),
            places=places.sprayed,
        )
        self._joined = JoinedChecks(places=places.joining)

    def run(self, check: Callable[[], Result], standing: Standing, *, claim: bytes, joined_by: Hashable) -> Result:
        """What `check` gives, once for all who ask with the same `joined_by`. Raises LaneFullError.

        `claim` stands for name and password; it is known again when it comes back.
        """
        return self._joined.run(joined_by, lambda: self._wait(check, standing, claim))

    def _wait(self, check: Callable[[], Result], standing: Standing, claim: bytes) -> Result:
        now = self._clock()
        waited = self._turned_away.find(claim, now)
        # Time that was waited outside counts.
        rank = Rank(waited.times, standing, max(0.0, standing.delay - waited.seconds))
        lane = self._sprayed if self._failures.is_sprayed(now) else self._calm
        try:
            result = lane.run(check, rank)
        except LaneFullError:
            self._turned_away.add(claim, self._clock())
            self._failures.turned_away(now)
            raise
        self._turned_away.forget(claim)
        return result
