"""Whether a password is right: remembered for a short while when it was, and equally slow for everybody when not."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING

import bcrypt

from registry_app.auth.failures import Failures
from registry_app.auth.htpasswd import LONGEST_PASSWORD, StoredHash, Users
from registry_app.auth.joining import JoinedChecks
from registry_app.auth.lane import Clerk, Lane, LaneFullError, Rank
from registry_app.auth.shared import FINGERPRINT, SharedLogins
from registry_app.auth.strangers import Places, Strangers

if TYPE_CHECKING:
    from collections.abc import Callable

    from registry_app.auth.basic import Credentials

FRESH = 300.0
"""Seconds after its last use for which a verified credential needs no check."""
REMEMBERED = 4096
COME_BACK = 1
"""Seconds after which one that was not looked at should try again."""


class TooManyAttemptsError(Exception):
    """The attempt failed, or was not looked at, amid too many failures. Come back in `retry_after` seconds."""

    def __init__(self, retry_after: int, *, checked: bool) -> None:
        self.retry_after = retry_after
        self.checked = checked
        super().__init__(f"too many failed logins; retry after {retry_after} s")


class Memory:
    """Fingerprints of credentials that were right, newest last, bounded, with the moment of their last use.

    A fingerprint is a BLAKE2b under a key that lives in memory alone, over user, password and stored hash, each
    with its length before it: no two credentials share one, and a changed or removed hash makes it useless at once.
    """

    def __init__(self, shared: SharedLogins) -> None:
        self._shared = shared
        self._last_used: OrderedDict[bytes, float] = OrderedDict()
        self._lock = threading.Lock()

    def fingerprint(self, credentials: Credentials, stored: StoredHash) -> bytes:
        """What stands for this credential against this hash."""
        parts = (credentials.user.encode(), credentials.password, stored.text)
        return self._digest(parts)

    def claim(self, credentials: Credentials) -> bytes:
        """What stands for this credential, whether there is such a user or not."""
        return self._digest((credentials.user.encode(), credentials.password))

    def _digest(self, parts: tuple[bytes, ...]) -> bytes:
        message = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
        return blake2b(message, key=self._shared.key, digest_size=FINGERPRINT).digest()

    def knows(self, fingerprint: bytes) -> bool:
        """Whether the credential was right at some time, in this worker or another."""
        return self._shared.is_proven(fingerprint)

    def renew(self, fingerprint: bytes, now: float) -> bool:
        """Whether the credential was used within the last FRESH seconds; if so, it now was again."""
        with self._lock:
            last = self._last_used.get(fingerprint)
            if last is None or not 0 <= now - last < FRESH:
                return False
            self._last_used[fingerprint] = now
            self._last_used.move_to_end(fingerprint)
            return True

    def keep(self, fingerprint: bytes, now: float) -> None:
        """Remembers a credential that was just verified."""
        self._shared.prove(fingerprint)
        with self._lock:
            self._last_used[fingerprint] = now
            self._last_used.move_to_end(fingerprint)
            if len(self._last_used) > REMEMBERED:
                self._last_used.popitem(last=False)


class Verifier:
    """Checks credentials against the users in force: `users` is cheap to ask, `latest_users` up to date.

    A credential that was right here lately costs microseconds. One that was right earlier, or in another worker, has a
    lane of its own, where no stranger's attempt can be before it. All others wait among `Strangers`. A thread that is
    about to wait for a check tells `before_waiting`.
    """

    def __init__(
        self,
        users: Callable[[], Users],
        latest_users: Callable[[], Users],
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        shared: SharedLogins | None = None,
        places: Places | None = None,
        on_lookup: Callable[[bool], None] = lambda _: None,
        before_waiting: Callable[[], None] = lambda: None,
    ) -> None:
        self._users = users
        self._latest_users = latest_users
        self._clock = clock
        self._wall_clock = wall_clock
        self._on_lookup = on_lookup
        self._before_waiting = before_waiting
        shared = shared or SharedLogins()
        self._memory = Memory(shared)
        self._failures = Failures()
        self._proven = Lane("logins-proven", Clerk(), places=64)
        self._joined_proven = JoinedChecks(places=64)
        self._strangers = Strangers(shared, self._failures, places=places or Places.among(64), clock=clock)

    def knows(self, user: str) -> bool:
        """Whether there is such a user. For the audit log; never for an answer."""
        return user in self._users().hashes

    def verify(self, credentials: Credentials, *, address: str) -> bool:
        """Whether the password is the user's. Raises TooManyAttemptsError for failures beyond measure."""
        if self._is_fresh(credentials):
            self._on_lookup(True)
            return True
        # A password that was set a moment ago counts at once; only what is remembered may be half a second behind.
        users, wall = self._latest_users(), self._wall_clock()
        prints = self._fingerprints(credentials, users, wall)
        check = partial(_check, credentials.password, tuple(prints), users.most_work(wall))
        proven = any(self._memory.knows(fingerprint) for fingerprint in prints.values())
        # The hashes belong to the claim: a check that began before a change says nothing about the time after it.
        claim = (self._memory.claim(credentials), *prints.values())
        if (match := self._run(claim, check, credentials, address, proven=proven)) is not None:
            self._memory.keep(prints[match], self._clock())
            self._on_lookup(False)
            self._failures.succeeded(address, credentials.user)
            return True
        standing = self._failures.failed(address, credentials.user, self._clock())
        if standing.retry_after is not None:
            raise TooManyAttemptsError(standing.retry_after, checked=True)
        return False

    def _is_fresh(self, credentials: Credentials) -> bool:
        prints = self._fingerprints(credentials, self._users(), self._wall_clock())
        return any(self._memory.renew(fingerprint, self._clock()) for fingerprint in prints.values())

    def _fingerprints(self, credentials: Credentials, users: Users, wall: float) -> dict[StoredHash, bytes]:
        """What would stand for the credential against each hash of the user that counts now."""
        return {stored: self._memory.fingerprint(credentials, stored) for stored in users.valid(credentials.user, wall)}

    def _run(
        self,
        claim: tuple[bytes, ...],
        check: Callable[[], StoredHash | None],
        credentials: Credentials,
        address: str,
        *,
        proven: bool,
    ) -> StoredHash | None:
        self._before_waiting()
        try:
            if proven:
                return self._joined_proven.run(claim, lambda: self._proven.run(check, Rank()))
            standing = self._failures.standing(address, credentials.user, self._clock())
            return self._strangers.run(check, standing, claim=claim[0], joined_by=claim)
        except LaneFullError:
            # Soon, whatever the standing: this may be the right password, and coming back is what helps it.
            raise TooManyAttemptsError(COME_BACK, checked=False) from None


def _check(password: bytes, valid: tuple[StoredHash, ...], most_work: int) -> StoredHash | None:
    """The hash that the password fits, or None after as much work as the dearest user's check takes.

    The same for an unknown user, a cheap old hash and a password that bcrypt can't take: time tells nothing.
    """
    unusable = len(password) > LONGEST_PASSWORD or b"\0" in password
    cut = password[:LONGEST_PASSWORD]
    done = 0
    for stored in valid:
        if bcrypt.checkpw(cut, stored.text) and not unusable:
            return stored
        done += stored.work
    missing = most_work - done
    for cost in range(missing.bit_length()):
        if missing >> cost & 1:
            bcrypt.checkpw(cut, _stand_in(cost))
    return None


def _stand_in(cost: int) -> bytes:
    """A hash of the given cost that no known password fits."""
    return b"$2b$%02d$" % cost + b"." * 53
