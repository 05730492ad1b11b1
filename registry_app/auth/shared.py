"""What the workers of one service know together about logins, in memory that they inherit from their parent."""

from __future__ import annotations

import fcntl
import mmap
import os
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FINGERPRINT = 32
"""Bytes."""
PLACES = 1 << 16
"""Two fingerprints rarely meet in a place; of those that do the older one loses its privilege, and no more."""


class SharedLogins:
    """The key of fingerprints, those that were right in any worker, and whose turn it is. Made before the fork.

    A fingerprint found here never lets anybody in: its owner is checked apart from strangers, that is all. So a
    flood of guesses can't keep out a client who is known to one worker and now meets another. A place is written
    without a lock: a torn one is nobody's.
    """

    def __init__(self) -> None:
        self.key = secrets.token_bytes(32)
        self._proven = mmap.mmap(-1, FINGERPRINT * PLACES)
        self._turn = os.memfd_create("logins", os.MFD_CLOEXEC)

    def is_proven(self, fingerprint: bytes) -> bool:
        """Whether the credential was right at some time, in some worker."""
        place = self._place(fingerprint)
        return self._proven[place : place + FINGERPRINT] == fingerprint

    def prove(self, fingerprint: bytes) -> None:
        """Tells all workers that a credential was right."""
        place = self._place(fingerprint)
        self._proven[place : place + FINGERPRINT] = fingerprint

    @contextmanager
    def turn(self) -> Iterator[None]:
        """For one worker at a time. A worker that dies gives its turn up: the lock belongs to the process."""
        fcntl.lockf(self._turn, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._turn, fcntl.LOCK_UN)

    def _place(self, fingerprint: bytes) -> int:
        return int.from_bytes(fingerprint[:4], "big") % PLACES * FINGERPRINT
