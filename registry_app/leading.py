"""One thread serves the connections that rest between small requests, until one of them takes long.

A small request takes a fraction of a millisecond. Handing it to a thread costs as much again, and threads of one
process that are in the middle of small requests stop each other at every system call. So one thread at a time, the
leader, waits for all resting connections at once and serves what comes on them by itself. A request that turns out to
take long (a cold disk, a password to check, a body to receive) keeps its thread: another one leads from then on.
"""

from __future__ import annotations

import logging
import os
import select
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 0.005
"""Seconds that a request may take before another thread leads."""
IDLE = 1.0
"""Seconds without a request after which a connection rests elsewhere."""

log = logging.getLogger("registry.server")
_of_thread = threading.local()


def give_way() -> None:
    """Lets another thread lead, if the one that calls leads anywhere: it is about to wait."""
    leading: Leading | None = getattr(_of_thread, "leading", None)
    if leading is not None:
        leading.resign()


class Connection(Protocol):
    """What this module needs of gunicorn's connections."""

    sock: Any


class Leading:
    """The resting connections of a process, and the thread that leads.

    `serve` answers what came on a connection; True where another request may follow. `leave` takes the connections
    that are done, or that were left behind, with that outcome. At most `threads` requests are served at a time.
    """

    def __init__(
        self,
        serve: Callable[[Any], bool],
        leave: Callable[[Any, bool], None],
        *,
        threads: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._serve = serve
        self._leave = leave
        self._clock = clock
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="leader")
        self._poll = select.epoll()
        self._wake, self._waker = os.pipe()
        self._poll.register(self._wake, select.EPOLLIN)
        # Guards all below. A thread leads while its term is the latest.
        self._lock = threading.Lock()
        self._term = 0
        self._leader: int | None = None
        self._resting: dict[int, Connection] = {}
        self._serving: tuple[int, Connection] | None = None
        self._served = 0
        self._busy: set[int] = set()
        self._seen, self._seen_at, self._swept_at = 0, 0.0, 0.0

    @property
    def needs_watching(self) -> bool:
        """Whether `watch` has to be called every few milliseconds."""
        return bool(self._resting)

    def adopt(self, connection: Connection) -> None:
        """Lets a connection rest here until its next request."""
        place = connection.sock.fileno()
        with self._lock:
            self._resting[place] = connection
            self._busy.add(place)
            self._poll.register(place, select.EPOLLIN)
            if self._term == 0:
                self._elect()

    def resign(self) -> None:
        """Lets another thread lead, if the one that calls does: what it serves will take long."""
        with self._lock:
            if self._leader == threading.get_ident():
                self._depose()

    def watch(self) -> list[Any]:
        """Lets another thread lead where a request takes long; gives the connections that were idle, and are let go."""
        now = self._clock()
        with self._lock:
            if self._serving is None or self._served != self._seen:
                self._seen, self._seen_at = self._served, now
            elif now - self._seen_at >= PATIENCE:
                self._depose()
            if now - self._swept_at < IDLE:
                return []
            self._swept_at = now
            idle = [(place, connection) for place, connection in self._resting.items() if place not in self._busy]
            self._busy.clear()
            return self._let_go(idle)

    def release(self) -> list[Any]:
        """All connections that rest, which are let go."""
        with self._lock:
            return self._let_go([*self._resting.items()])

    def end(self) -> None:
        """Ends the leader when it has answered."""
        with self._lock:
            self._term += 1
        os.close(self._waker)
        self._pool.shutdown(wait=False)

    def _let_go(self, entries: list[tuple[int, Connection]]) -> list[Connection]:
        free = [entry for entry in entries if entry != self._serving]
        for entry in free:
            self._forget(entry)
        return [connection for _, connection in free]

    def _forget(self, entry: tuple[int, Connection]) -> None:
        place, connection = entry
        # A connection may have been closed by whoever served it, and its place taken by another.
        if self._resting.get(place) is connection:
            del self._resting[place]
            with suppress(OSError):
                self._poll.unregister(place)

    def _elect(self) -> None:
        self._term += 1
        self._leader = None
        self._pool.submit(self._lead, self._term)

    def _depose(self) -> None:
        """Leaves the connection that is being served to the thread that serves it."""
        if self._serving is not None:
            self._forget(self._serving)
        self._serving = None
        self._elect()

    def _lead(self, term: int) -> None:
        _of_thread.leading = self
        with self._lock:
            if self._term == term:
                self._leader = threading.get_ident()
        while self._term == term:
            for place, _ in self._poll.poll():
                # Readiness is told again for as long as it lasts: what one leader leaves, the next one finds.
                if not self._answer(place, term):
                    break

    def _answer(self, place: int, term: int) -> bool:
        """Serves what came; False where another thread leads by now."""
        with self._lock:
            if self._term != term:
                return False
            connection = self._resting.get(place)
            if connection is None:
                return True
            self._serving = entry = (place, connection)
            self._served += 1
            self._busy.add(place)
        try:
            outcome = self._serve(connection)
        except BaseException:  # as in a pool: whatever a request does, it ends itself alone
            log.exception("a connection is closed after an error")
            outcome = False
        with self._lock:
            leads = self._term == term
            if leads:
                self._serving = None
                if outcome:
                    return True
                self._forget(entry)
        self._leave(connection, outcome)
        return leads
