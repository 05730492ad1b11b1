"""Collections, scrubs and purges of uploads on a schedule: what is due, and its run.

The schedule lives in the summaries of the last runs, so a restart neither skips nor repeats one, and several processes
may follow it: whichever takes the lock of a run does it, the others find it done.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry_app.errors import ErrorCode, RegistryError
from registry_app.gc.collection import collect
from registry_app.gc.observers import NowAndThen, Progress
from registry_app.gc.runs import last_run
from registry_app.gc.scrub import scrub
from registry_app.gc.stale import purge_uploads
from registry_app.storage.failures import told

if TYPE_CHECKING:
    from collections.abc import Callable

    from registry_app.gc.plan import Policy
    from registry_app.storage import Storage

log = logging.getLogger("registry.gc")
_SOON = 3600.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How often what runs, in seconds; None for never. `scrub_rate` in bytes a second.

    Uploads whose last byte came longer ago than `stale_upload` (seconds) are purged, or only named.
    """

    policy: Policy
    collect_every: float | None = 86400.0
    scrub_every: float | None = 7 * 86400.0
    scrub_rate: int = 20 * 1024 * 1024
    purge_every: float | None = None
    stale_upload: float = 7 * 86400.0
    purge_only_named: bool = False


def find_due(storage: Storage, schedule: Schedule) -> tuple[str, ...]:
    """Runs that are due and that no process does at this moment."""
    runs = {
        "gc": (schedule.collect_every, storage.locks.collecting),
        "purge": (schedule.purge_every, storage.locks.purging),
        "scrub": (schedule.scrub_every, storage.locks.scrubbing),
    }
    due = []
    for kind, (interval, locked) in runs.items():
        if is_due(storage, kind, interval):
            with locked() as alone:
                if alone:
                    due.append(kind)
    return tuple(due)


def run_due(storage: Storage, schedule: Schedule) -> tuple[str, ...]:
    """Runs what is due, and tells what ran; errors are logged, for the next look to try again."""
    ran = []
    if is_due(storage, "gc", schedule.collect_every) and _attempt("gc", lambda: _collect(storage, schedule.policy)):
        ran.append("gc")
    if is_due(storage, "purge", schedule.purge_every) and _attempt("purge", lambda: _purge(storage, schedule)):
        ran.append("purge")
    if is_due(storage, "scrub", schedule.scrub_every) and _attempt("scrub", lambda: _scrub(storage, schedule)):
        ran.append("scrub")
    return tuple(ran)


def is_due(storage: Storage, kind: str, interval: float | None) -> bool:
    """Whether the last run is longer ago than the interval; a time in the future counts as wrong, so as due.

    What failed is tried again soon, and so is what makes room where there is none.
    """
    if interval is None:
        return False
    last = last_run(storage, kind)
    if last is None:
        # A store that was opened for the first time just now holds nothing worth the disk's time.
        return storage.clock() - storage.opened_first() > min(interval, _SOON)
    if last.get("result") == "failed" or (kind != "scrub" and storage.space.is_short):
        interval = min(interval, _SOON)
    finished = last.get("finished")
    ago = storage.clock() - finished if isinstance(finished, int | float) else interval
    return not 0 <= ago < interval


def _collect(storage: Storage, policy: Policy) -> None:
    progress = NowAndThen(lambda text: log.info("collecting: %s", text), every=60)
    report = collect(storage, policy, Progress(progress))
    log.info(
        "collected: %d blobs, %d links, %d manifests, %d uploads; %d bytes freed after the time of trash",
        report.removed_blobs,
        report.removed_links,
        report.removed_manifests,
        report.removed_uploads,
        report.freed_bytes,
    )


def _purge(storage: Storage, schedule: Schedule) -> None:
    purged = purge_uploads(storage, age=schedule.stale_upload, only_name=schedule.purge_only_named)
    for repository, upload in purged:
        log.info("%s upload %s of %s", "would purge" if schedule.purge_only_named else "purged", upload, repository)


def _scrub(storage: Storage, schedule: Schedule) -> None:
    progress = NowAndThen(lambda text: log.info("scrubbing: %s", text), every=600)
    report = scrub(storage, rate=schedule.scrub_rate, progress=progress)
    log.info("scrubbed: %d blobs, %d damaged", report.checked_blobs, len(report.troubles))
    for name in report.affected:
        log.error("image %s needs a damaged blob: push it again", name)


def _attempt(kind: str, run: Callable[[], None]) -> bool:
    try:
        run()
    except RegistryError as error:
        if error.code is not ErrorCode.UNAVAILABLE:
            log.warning("%s failed: %s", kind, error.message)
        return False
    except OSError as error:
        log.error("%s failed: %s", kind, told(error).message)  # noqa: TRY400 - the rest was logged where it was told
        return False
    return True
