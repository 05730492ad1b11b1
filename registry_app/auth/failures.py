"""How often a source of logins failed lately: what orders the queue and lengthens delays, and locks out nobody."""

from __future__ import annotations

import ipaddress
import threading
from collections import OrderedDict, deque
from dataclasses import dataclass

from registry_app.auth.user_names import LONGEST_NAME

REMEMBERED = 10_000
HALVED_AFTER = 60.0
"""Seconds after which a failure counts half."""
FREE = 3
"""Failures that cost nothing: people mistype."""
FIRST_DELAY, LONGEST_DELAY = 0.05, 1.0
"""Seconds that the next attempt waits; doubles with each failure."""
TOO_MANY = 10
"""Failures from which on a further failure is answered with 429 rather than 401."""
LONGEST_RETRY = 30
SPRAY, SPRAY_SECONDS = 20, 20.0
"""That many failures in that many seconds, from wherever, are no longer people who mistype."""


@dataclass(frozen=True, slots=True, order=True)
class Standing:
    """How badly a source has done: first the pair of address and user, then the address. Lower goes first."""

    pair: int = 0
    address: int = 0

    @property
    def delay(self) -> float:
        """Seconds that an attempt waits before it is looked at."""
        return 0.0 if self.pair < FREE else min(FIRST_DELAY * 2 ** (min(self.pair, 30) - FREE), LONGEST_DELAY)

    @property
    def retry_after(self) -> int | None:
        """Seconds that a failed attempt is told to wait, or None while it is simply wrong."""
        return None if self.pair < TOO_MANY else min(2 ** (min(self.pair, 30) - TOO_MANY), LONGEST_RETRY)


class Failures:
    """Counts of failed logins by (address, user) and by address, bounded, fading with time, safe among threads."""

    def __init__(self) -> None:
        self._counts: OrderedDict[tuple[str, ...], tuple[float, float]] = OrderedDict()
        self._latest: deque[float] = deque(maxlen=SPRAY)
        self._lock = threading.Lock()

    def standing(self, address: str, user: str, now: float) -> Standing:
        """What the record says of this source at `now` (seconds, monotonic)."""
        network, user = _network(address), user[:LONGEST_NAME]  # strangers' names must not fill the memory
        with self._lock:
            return Standing(int(self._count((network, user), now)), int(self._count((network,), now)))

    def failed(self, address: str, user: str, now: float) -> Standing:
        """Counts one failure; gives the new standing."""
        network, user = _network(address), user[:LONGEST_NAME]
        with self._lock:
            pair, whole = (self._add(key, now) for key in ((network, user), (network,)))
            self._latest.append(now)
        return Standing(int(pair), int(whole))

    def is_sprayed(self, now: float) -> bool:
        """Whether somebody seems to be trying passwords by the dozen."""
        with self._lock:
            return self._is_sprayed(now)

    def turned_away(self, now: float) -> None:
        """An attempt was not looked at. While they come too fast a spray goes on, however few are found wrong."""
        with self._lock:
            if self._is_sprayed(now):
                self._latest.append(now)

    def succeeded(self, address: str, user: str) -> None:
        """Forgives the pair: whoever knows the password mistyped before. The address keeps its record."""
        with self._lock:
            self._counts.pop((_network(address), user[:LONGEST_NAME]), None)

    def _is_sprayed(self, now: float) -> bool:
        return len(self._latest) == SPRAY and now - self._latest[0] < SPRAY_SECONDS

    def _count(self, key: tuple[str, ...], now: float) -> float:
        count, then = self._counts.get(key, (0.0, now))
        return float(count * 0.5 ** (max(0.0, now - then) / HALVED_AFTER))

    def _add(self, key: tuple[str, ...], now: float) -> float:
        count = self._count(key, now) + 1
        self._counts[key] = (count, now)
        self._counts.move_to_end(key)
        if len(self._counts) > REMEMBERED:
            self._counts.popitem(last=False)
        return count


def _network(address: str) -> str:
    """The address itself, or the /64 of an IPv6 address: one customer has all of it."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else str(parsed)  # noqa: PLR2004
