"""Keeps the index: a thread of each worker process, one of which at a time compares it with the whole tree."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from registry_app.errors import RegistryError
from registry_app.storage.failures import told
from registry_app.storage.index import IndexState
from registry_app.storage.reconciliation import reconcile, seed

if TYPE_CHECKING:
    from registry_app.storage import Storage

log = logging.getLogger("registry.index")

LOOK_EVERY = 1.0  # seconds
RECONCILE_EVERY = 300.0
"""Seconds from one comparison with the whole tree to the next."""
TRIED_AGAIN_AFTER = 60.0
"""Seconds from a comparison that failed, or whose result could not be kept, to the next."""
RECONCILE_TIMES = 50
"""And not before so many times as long as the last one took."""


class IndexKeeper:
    """The thread of one worker process."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._state = IndexState()
        self._fingerprint: object = None
        self._not_before = float("-inf")
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="index", daemon=True)

    def start(self) -> None:
        """Begins with what the index remembers."""
        self._thread.start()

    def stop(self) -> None:
        """Ends before the next comparison."""
        self._stopping.set()

    def _run(self) -> None:
        self._state = self._storage.index.state()
        seed(self._storage)
        self._storage.index.rest()
        while not self._stopping.wait(LOOK_EVERY):
            try:
                self.look()
            except (OSError, RegistryError) as error:
                self._not_before = time.monotonic() + TRIED_AGAIN_AFTER
                reason = told(error) if isinstance(error, OSError) else error
                log.warning("the index was not compared with the tree: %s", reason.message)

    def look(self) -> bool:
        """Forgets what it was told to forget; compares if that is due and nobody else does. Whether it did."""
        index = self._storage.index
        try:
            if index.fingerprint() != self._fingerprint:
                self._read_state()
            if time.monotonic() < self._not_before or not is_due(self._state, self._storage.clock()):
                return False
            with self._storage.locks.reconciling() as alone:
                self._read_state()
                if not alone or not is_due(self._state, self._storage.clock()):
                    return False
                self._reconcile()
                return True
        finally:
            index.rest()

    def _read_state(self) -> None:
        generation = self._state.generation
        self._fingerprint = self._storage.index.fingerprint()
        self._state = self._storage.index.state()
        if self._state.generation != generation:
            self._storage.listings.forget_all()

    def _reconcile(self) -> None:
        was_dirty, done = self._state.dirty, reconcile(self._storage)
        self._read_state()
        if self._state.dirty:  # it could not be written
            self._not_before = time.monotonic() + TRIED_AGAIN_AFTER
        if was_dirty or done.learnt:
            told = (done.repositories, done.learnt, done.seconds)
            log.info("index: %d repositories, %d manifests new to it, %.1f s", *told)


def is_due(state: IndexState, now: float) -> bool:
    """Whether the index should be compared with the tree. Pure."""
    return state.dirty or not 0 <= now - state.reconciled < max(RECONCILE_EVERY, RECONCILE_TIMES * state.seconds)
