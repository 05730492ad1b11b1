"""What the workers of one service know together about logins, in memory that they inherit from their parent."""

from __future__ import annotations

import fcntl
import mmap
import os
import secrets
import struct
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from registry_app.auth.returning import TurnedAway
from registry_app.byte_locks import unlock, wait_for_lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

FINGERPRINT = 32
"""Bytes."""
PLACES = 1 << 16
"""Two fingerprints rarely meet in a place; of those that do the older one loses its privilege, and no more."""
SHARE = 0.1
"""Of one core's time, for those who come back amid a flood."""

_TIME = struct.Struct("<d")
_DOORS = 8
"""The bytes from here on are the doors before the turns."""


class SharedLogins:
    """The key of fingerprints, those that were right in any worker, and whose turn it is. Made before the fork.

    `turned_away` tells which claims wait outside, in whichever worker they asked.

    A fingerprint found here never lets anybody in: its owner is checked apart from strangers, that is all. So a
    flood of guesses can't keep out a client who is known to one worker and now meets another. A place is written
    without a lock: a torn one is nobody's.
    """

    def __init__(self) -> None:
        self.key = secrets.token_bytes(32)
        self._proven = mmap.mmap(-1, FINGERPRINT * PLACES)
        self.turned_away = TurnedAway()
        self._turns = os.memfd_create("logins", os.MFD_CLOEXEC)
        self._rest_ends = mmap.mmap(-1, _TIME.size)

    def is_proven(self, fingerprint: bytes) -> bool:
        """Whether the credential was right at some time, in some worker."""
        place = self._place(fingerprint)
        return self._proven[place : place + FINGERPRINT] == fingerprint

    def prove(self, fingerprint: bytes) -> None:
        """Tells all workers that a credential was right."""
        place = self._place(fingerprint)
        self._proven[place : place + FINGERPRINT] = fingerprint

    def turn(self) -> AbstractContextManager[None]:
        """For one worker at a time. A worker that dies gives its turn up: its open file holds the lock."""
        return self._alone(0)

    @contextmanager
    def short_turn(self) -> Iterator[None]:
        """As `turn`, beside it; all of them together get SHARE of one core's time, so that they need not be idle."""
        with self._alone(1):
            time.sleep(max(0.0, _TIME.unpack_from(self._rest_ends)[0] - time.monotonic()))
            before = time.thread_time()
            try:
                yield
            finally:
                rest = (time.thread_time() - before) * (1 / SHARE - 1)
                _TIME.pack_into(self._rest_ends, 0, time.monotonic() + rest)

    @contextmanager
    def _alone(self, byte: int) -> Iterator[None]:
        # Of an open file of its own, not of the process, whose locks the kernel would see crossing each other.
        turns = os.open(f"/proc/self/fd/{self._turns}", os.O_RDWR | os.O_CLOEXEC)
        try:
            # Whoever waits holds the door, or one that comes again and again would always be there first.
            wait_for_lock(turns, fcntl.F_WRLCK, _DOORS + byte)
            wait_for_lock(turns, fcntl.F_WRLCK, byte)
            unlock(turns, _DOORS + byte)
            yield
        finally:
            os.close(turns)

    def _place(self, fingerprint: bytes) -> int:
        return int.from_bytes(fingerprint[:4], "big") % PLACES * FINGERPRINT
