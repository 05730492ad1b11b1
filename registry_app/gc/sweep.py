"""Removes single things, each under the lock of its digest, after a last look at whether it came into use."""

from __future__ import annotations

import contextlib
import shutil
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from registry_app.gc.plan import Policy, why_young
from registry_app.storage.trash import COLLECTED

if TYPE_CHECKING:
    from pathlib import Path

    from registry_app.oci.digests import Digest
    from registry_app.storage import Storage
    from registry_app.storage.epochs import ReferenceLog

_LOOK_AT_SPACE = 200


@dataclass(slots=True)
class Sweeper:
    """Takes things away for one run; measures how long it held locks (seconds)."""

    storage: Storage
    policy: Policy
    log: ReferenceLog
    run: str = field(init=False)
    longest_lock: float = 0.0
    _swept: int = 0
    _short: bool = False

    def __post_init__(self) -> None:
        self.run = self.storage.trash.start_run(self.storage.clock(), COLLECTED)

    def sweep(self, digest: Digest, path: Path) -> str | None:
        """Throws away a file of this digest; the reason if it stays."""
        with self.storage.locks.sweeping(digest) as locked:
            started = time.monotonic()
            reason = self._sweep(digest, path) if locked else "a push uses it at this moment"
        if locked:
            self.longest_lock = max(self.longest_lock, time.monotonic() - started)
        return reason

    def _sweep(self, digest: Digest, path: Path) -> str | None:
        if self.log.holds(digest):
            return "a manifest pushed during the collection refers to it"
        try:
            age = self.storage.clock() - path.stat(follow_symlinks=False).st_mtime
        except FileNotFoundError:
            return None if _remove_leftovers(path.parent) else "gone already"
        reason = why_young(age, self.policy)
        if reason is None:
            self._take_away(path)
        return reason

    def _take_away(self, path: Path) -> None:
        try:
            if self._keeps_trash():
                self.storage.trash.throw_leaf(self.run, path)
                return
        except FileNotFoundError:
            return
        except OSError:  # no room for the trash's own folders
            pass
        # No fsync here: what comes back by a power cut is collected again.
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            path.parent.rmdir()

    def _keeps_trash(self) -> bool:
        """Whether there is a way back; on a full disk room is worth more. Looks at the disk now and then."""
        if self._swept % _LOOK_AT_SPACE == 0:
            self._short = self.storage.space.is_short
        self._swept += 1
        return self.policy.trash > 0 and not self._short


def _remove_leftovers(folder: Path) -> bool:
    """Removes a folder that holds only temporary files of writers that were killed; False if there was none."""
    hour_ago = time.time() - 3600
    try:
        left = list(folder.iterdir())
        if all(path.suffix == ".tmp" and path.stat(follow_symlinks=False).st_mtime < hour_ago for path in left):
            shutil.rmtree(folder)
            return bool(left)
    except OSError:
        pass
    return False
