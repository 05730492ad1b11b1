"""Removes single things, each under the lock of its digest, after a last look at whether it came into use.

`Rehearsal` answers as `Sweeper` does, and leaves everything where it is.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from registry_app.gc.plan import Policy, why_young
from registry_app.gc.stale import remove_upload
from registry_app.storage.trash import COLLECTED

if TYPE_CHECKING:
    from pathlib import Path

    from registry_app.oci.digests import Digest
    from registry_app.oci.names import Repository
    from registry_app.storage import Storage
    from registry_app.storage.epochs import ReferenceLog
    from registry_app.storage.locks import SweepLocks

_LOOK_AT_SPACE = 200
_GONE = "gone already"


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
    explains: ClassVar[bool] = False
    run: str = field(init=False)
    _swept: int = 0
    _keeps_trash: bool = False

    def __post_init__(self) -> None:
        self.run = self.storage.trash.start_run(self.storage.clock(), COLLECTED)

    def came_into_use(self, digest: Digest) -> bool:
        """Whether a manifest that was pushed during the run refers to this."""
        return self.log.holds(digest)

    def sweep_manifest(self, repository: Repository, digest: Digest) -> str | None:
        """Throws away a manifest of a repository; the reason if it stays."""
        return self.sweep(digest, self.storage.layout.revision(repository, digest))

    def has_gone(self, repository: Repository, digest: Digest) -> bool:  # noqa: ARG002
        """Whether a manifest that was found again was thrown away before: it came back since."""
        return False

    def forget_history(self, repository: Repository) -> None:
        """Lets the tags forget that they named what is gone by now."""
        self.storage.tags.forget_gone(repository)

    def remove_damaged(self, path: Path) -> None:
        """Removes what a scrub put away, for good."""
        shutil.rmtree(path.parent, ignore_errors=True)

    def remove_upload(self, folder: Path) -> str | None:
        """Removes an upload; the reason if it stays."""
        return remove_upload(folder)

    def sweep(self, digest: Digest, path: Path) -> str | None:
        """Throws away a file of this digest; the reason if it stays."""
        try:
            # A guess, so that what pushes under way use is not locked, and the disk is waited for before the lock.
            if reason := self._why_young(path):
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
        """Why it stays, final under the lock of the digest. FileNotFoundError if it is gone."""
        if self.log.holds(digest):
            return "a manifest pushed during the collection refers to it"
        return self._why_young(path)

    def _why_young(self, path: Path) -> str | None:
        # Not by Path: a collection does this a hundred thousand times.
        return why_young(self.storage.clock() - os.stat(path, follow_symlinks=False).st_mtime, self.policy)  # noqa: PTH116

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
        return _GONE


@dataclass(slots=True)
class Rehearsal:
    """What a run would do now, with the reason for each decision."""

    storage: Storage
    policy: Policy
    explains: ClassVar[bool] = True
    _gone: dict[Repository, set[Digest]] = field(default_factory=dict, init=False)

    def came_into_use(self, digest: Digest) -> bool:  # noqa: ARG002 - nothing is taken from anybody
        """Nobody has to be asked."""
        return False

    def sweep_manifest(self, repository: Repository, digest: Digest) -> str | None:
        """Why a manifest would stay; one that would not is remembered as gone."""
        reason = self.sweep(digest, self.storage.layout.revision(repository, digest))
        if reason is None:
            self._gone.setdefault(repository, set()).add(digest)
        return reason

    def has_gone(self, repository: Repository, digest: Digest) -> bool:
        """Whether a manifest would have been thrown away."""
        return digest in self._gone.get(repository, ())

    def forget_history(self, repository: Repository) -> None:
        """Nothing is gone."""

    def remove_damaged(self, path: Path) -> None:
        """It stays."""

    def remove_upload(self, folder: Path) -> str | None:  # noqa: ARG002
        """Whoever writes to it may be done until the run."""
        return None

    def sweep(self, digest: Digest, path: Path) -> str | None:  # noqa: ARG002
        """Why this would stay."""
        try:
            return why_young(self.storage.clock() - path.stat(follow_symlinks=False).st_mtime, self.policy)
        except FileNotFoundError:
            return _GONE
