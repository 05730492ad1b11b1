"""How often a login was turned away without being looked at: who comes back with it goes before those who do not.

Whoever guesses wants another password each time; a client that is told to come back comes with the same one. To have
as good a place as a client that has come back N times, a guesser needs N requests for each guess.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass

PLACES = 1 << 18
"""Of 16 bytes, in memory that all workers inherit; what was never written takes none."""
FORGOTTEN = 300.0
"""Seconds after the last time."""

_ENTRY = struct.Struct("<8sII")  # a part of the claim, how often, and when last: in milliseconds, which may overflow
_FREE = _ENTRY.pack(bytes(8), 0, 0)
_WRAP = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Waited:
    """How often a claim was turned away lately, and the seconds since the last time."""

    times: int = 0
    seconds: float = 0.0


class TurnedAway:
    """Counts of claims (keyed digests), bounded and without a lock: what is torn is nobody's.

    Each claim has one place. A stranger who finds it taken takes one off the count, and has the place when none is
    left: so a flood, whose claims come once, can't wash out those who come again and again.
    """

    def __init__(self) -> None:
        self._entries = mmap.mmap(-1, _ENTRY.size * PLACES)

    def find(self, claim: bytes, now: float) -> Waited:
        """What is known of a claim at `now` (seconds, monotonic)."""
        owner, times, age = self._entry(claim, now)
        return Waited(times, age) if owner == _part(claim) else Waited()

    def add(self, claim: bytes, now: float) -> None:
        """The claim was turned away once more."""
        owner, times, _ = self._entry(claim, now)
        if owner == _part(claim):
            self._write(claim, owner, times + 1, now)
        elif times > 1:
            _ENTRY.pack_into(self._entries, _place(claim), owner, times - 1, self._when(claim))
        else:
            self._write(claim, _part(claim), 1, now)

    def forget(self, claim: bytes) -> None:
        """The claim was looked at, whatever came of it: next time it begins anew."""
        place = _place(claim)
        if self._entries[place : place + 8] == _part(claim):
            self._entries[place : place + _ENTRY.size] = _FREE

    def _entry(self, claim: bytes, now: float) -> tuple[bytes, int, float]:
        """Who has the claim's place, how often, and seconds since; nobody where it is too long ago."""
        owner, times, then = _ENTRY.unpack_from(self._entries, _place(claim))
        age = (_milliseconds(now) - then & _WRAP) / 1000
        return (owner, times, age) if times and age < FORGOTTEN else (b"", 0, 0.0)

    def _when(self, claim: bytes) -> int:
        return int(_ENTRY.unpack_from(self._entries, _place(claim))[2])

    def _write(self, claim: bytes, owner: bytes, times: int, now: float) -> None:
        _ENTRY.pack_into(self._entries, _place(claim), owner, min(times, _WRAP), _milliseconds(now))


def _part(claim: bytes) -> bytes:
    return claim[8:16]


def _place(claim: bytes) -> int:
    return int.from_bytes(claim[:8], "big") % PLACES * _ENTRY.size


def _milliseconds(now: float) -> int:
    return int(now * 1000) & _WRAP
