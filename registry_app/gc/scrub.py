"""Reads every blob again, at a bounded rate, and puts away what does not have its digest.

A damaged blob is never served again: it is unknown until somebody pushes it anew, which heals every image that needs
it. Until then each scrub tells of it. What was put away can be looked at in the quarantine, until a collection finds
that no image needs it any more.
"""

from __future__ import annotations

import logging
import os
import shutil
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from registry_app.errors import ErrorCode, RegistryError
from registry_app.gc.damage import affected_images
from registry_app.gc.marks import stored_digests
from registry_app.gc.runs import record_run
from registry_app.oci.digests import Digest, is_encoded, new_hash
from registry_app.storage.failures import is_full
from registry_app.storage.trash import move_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from registry_app.gc.observers import NowAndThen
    from registry_app.storage import Storage

log = logging.getLogger("registry.scrub")
_PIECE = 1024 * 1024


@dataclass(slots=True)
class ScrubReport:
    """What a scrub found.

    `damaged` blobs were put away just now, those with errors of the disk among them; `still_damaged` ones earlier, and
    nobody has pushed them since. What is `unread` could not be opened, and stays. `affected` images need one of them.
    """

    started: float = 0.0
    finished: float = 0.0
    checked_blobs: int = 0
    checked_bytes: int = 0
    damaged: list[Digest] = field(default_factory=list)
    still_damaged: list[Digest] = field(default_factory=list)
    unread: list[Digest] = field(default_factory=list)
    affected: list[str] = field(default_factory=list)

    @property
    def troubles(self) -> frozenset[Digest]:
        """Everything that can't be served."""
        return frozenset((*self.damaged, *self.still_damaged, *self.unread))


def scrub(
    storage: Storage,
    *,
    rate: int | None = None,
    pause: Callable[[float], None] = time.sleep,
    progress: NowAndThen | None = None,
) -> ScrubReport:
    """Checks every blob once; `rate` in bytes a second, None for as fast as it goes. Raises UNAVAILABLE if one runs.

    Pushes, pulls and collections go on.
    """
    with storage.locks.scrubbing() as alone:
        if not alone:
            raise RegistryError(ErrorCode.UNAVAILABLE, message="another scrub is running on this store")
        report = ScrubReport(started=storage.clock())
        result = "failed"
        try:
            throttle = _Throttle(rate, pause)
            for digest in stored_digests(storage):
                _check(storage, digest, report, throttle)
                if progress:
                    progress.tell(partial(_how_far, report, digest))
            report.still_damaged = [digest for digest in quarantined(storage) if digest not in report.damaged]
            report.affected = list(affected_images(storage, report.troubles))
            result = "ok"
        finally:
            report.finished = storage.clock()
            record_run(storage, "scrub", _summary(report, result))
    return report


def quarantined(storage: Storage) -> list[Digest]:
    """Everything in the quarantine that has not been pushed again since."""
    return [digest for digest in put_away(storage) if not storage.files.exists(storage.layout.blob(digest))]


def put_away(storage: Storage) -> Iterator[Digest]:
    """Everything in the quarantine, in order."""
    for algorithm in sorted(storage.files.names(storage.layout.quarantine)):
        for encoded in sorted(storage.files.names(storage.layout.quarantine / algorithm)):
            if is_encoded(algorithm, encoded):
                yield Digest(algorithm, encoded)


def _check(storage: Storage, digest: Digest, report: ScrubReport, throttle: _Throttle) -> None:
    path = storage.layout.blob(digest)
    found = _hash(storage, digest, path, report=report, throttle=throttle)
    if found is None:
        return
    report.checked_blobs += 1
    matches, inode = found
    if not matches and _put_away(storage, digest, path, inode=inode):
        report.damaged.append(digest)
        log.error("blob %s does not match its digest: put away, push it again to heal it", digest)


def _hash(
    storage: Storage, digest: Digest, path: Path, *, report: ScrubReport, throttle: _Throttle
) -> tuple[bool, int] | None:
    """Whether the content has its digest, and its inode; None if it is gone."""
    try:
        descriptor = storage.files.open(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        report.unread.append(digest)
        log.error("blob %s can't be read: %s", digest, error)  # noqa: TRY400 - what it is says all
        return None
    running = new_hash(digest.algorithm)
    try:
        inode = os.fstat(descriptor).st_ino
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_SEQUENTIAL)
        while piece := os.read(descriptor, _PIECE):
            running.update(piece)
            report.checked_bytes += len(piece)
            throttle.spend(len(piece))
        # The next reader meets the disk again, and the cache stays with what people pull.
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    except OSError:
        return False, inode
    finally:
        os.close(descriptor)
    return running.hexdigest() == digest.hex, inode


def _put_away(storage: Storage, digest: Digest, path: Path, *, inode: int) -> bool:
    """Moves a damaged file into the quarantine, unless it was healed or collected meanwhile."""
    with storage.locks.replacing(digest):
        found = storage.files.stat(path)
        if found is None or found.st_ino != inode:
            return False
        _move_away(path, storage.layout.quarantined(digest), storage.clock())
        storage.files.sync_folders(path.parent)
        return True


def _move_away(path: Path, place: Path, now: float) -> None:
    try:
        # With its folder, as a full disk has no room for another one.
        if not place.parent.parent.is_dir():
            place.parent.parent.mkdir(parents=True)
        shutil.rmtree(place.parent, ignore_errors=True)
        move_folder(str(path.parent), str(place.parent))
        os.utime(place, (now, now))
    except OSError as error:
        if not is_full(error):
            raise
        log.warning("there is no room for the quarantine: %s is removed for good", path)
        path.unlink(missing_ok=True)


def _how_far(report: ScrubReport, place: Digest) -> str:
    # Digests are spread evenly, and looked at in their order.
    done = int(place.hex[:4], 16) * 100 // 0x10000
    looked_at = f"{report.checked_blobs} blobs, {report.checked_bytes >> 20} MiB"
    return f"about {done} %: {looked_at}, {len(report.damaged)} damaged"


class _Throttle:
    """Pauses so that no more than `rate` bytes a second are read."""

    def __init__(self, rate: int | None, pause: Callable[[float], None]) -> None:
        self._rate = rate
        self._pause = pause
        self._owed = 0.0

    def spend(self, size: int) -> None:
        """Accounts for bytes that were read."""
        if self._rate:
            self._owed += size / self._rate
            if self._owed > 0.05:  # noqa: PLR2004 - seconds; shorter sleeps are inexact
                self._pause(self._owed)
                self._owed = 0.0


def _summary(report: ScrubReport, result: str) -> dict[str, object]:
    return {
        "result": result,
        "started": report.started,
        "finished": report.finished,
        "checked_blobs": report.checked_blobs,
        "checked_bytes": report.checked_bytes,
        "damaged": len(report.damaged),
        "damaged_blobs": [str(digest) for digest in report.damaged[:1000]],
        "affected_images": report.affected[:1000],
    }
