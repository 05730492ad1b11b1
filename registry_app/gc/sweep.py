"""Removes single things, each under the lock of its digest, after a last look at whether it came into use."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from registry_app.gc.plan import Policy, why_young
from registry_app.storage.trash import COLLECTED

if TYPE_CHECKING:
    from pathlib import Path

    from registry_app.oci.digests import Digest
    from registry_app.storage import Storage
    from registry_app.storage.epochs import ReferenceLog
    from registry_app.storage.locks import SweepLocks

_LOOK_AT_SPACE = 200


@dataclass(slots=True)
class Sweeper:
    """Takes things away for one run.

    Whatever can be found out or made ready before is, so that the lock of a digest is held for three system calls:
    a read of what the log of references got since, a look at the lease, a rename. Nothing is synced under a lock.
    """

    storage: Storage
    policy: Policy
    log: ReferenceLog
    locks: SweepLocks
    run: str = field(init=False)
    _swept: int = 0
    _keeps_trash: bool = False

    def __post_init__(self) -> None:
        self.run = self.storage.trash.start_run(self.storage.clock(), COLLECTED)

    def sweep(self, digest: Digest, path: Path) -> str | None:
        """Throws away a file of this digest; the reason if it stays."""
        try:
            if reason := self._why_needed(digest, path):
                return reason
            self._prepare(path)
            with self.locks.holding(digest) as locked:
                if not locked:
                    return "a push uses it at this moment"
                reason = self._why_needed(digest, path)
                if reason is None:
                    self._take_away(path)
                return reason
        except FileNotFoundError:
            return self._sweep_folder(digest, path.parent)

    def _why_needed(self, digest: Digest, path: Path) -> str | None:
        """Why it stays: final under the lock of the digest, a guess before. FileNotFoundError if it is gone."""
        if self.log.holds(digest):
            return "a manifest pushed during the collection refers to it"
        return why_young(self.storage.clock() - path.stat(follow_symlinks=False).st_mtime, self.policy)

    def _prepare(self, path: Path) -> None:
        """Looks at the disk now and then, for on a full one room is worth more than a way back."""
        if self._swept % _LOOK_AT_SPACE == 0:
            self._keeps_trash = self.policy.trash > 0 and not self.storage.space.is_short
        self._swept += 1
        if self._keeps_trash:
            with contextlib.suppress(OSError):  # no room for the trash's own folders
                self.storage.trash.make_place(self.run, path)

    def _take_away(self, path: Path) -> None:
        try:
            if self._keeps_trash:
                self.storage.trash.throw_leaf(self.run, path)
                return
        except FileNotFoundError:
            return
        except OSError:
            pass
        # No fsync here: what comes back by a power cut is collected again.
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            path.parent.rmdir()

    def _sweep_folder(self, digest: Digest, folder: Path) -> str:
        """Removes the empty folder of a writer that was killed: under the lock, as one may be about to fill it."""
        with self.locks.holding(digest) as locked:
            if locked:
                with contextlib.suppress(OSError):
                    folder.rmdir()
        return "gone already"
