"""Where values come from that are read at a scrape: disk, runs of maintenance, certificate, secrets, recent counts."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from registry_app import __version__
from registry_app.metrics.observation import Observation
from registry_app.metrics.recent import read_minutes, top

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from registry_app.metrics.observation import Source
    from registry_app.metrics.recent import Recent
    from registry_app.metrics.sharing import SharedFolder
    from registry_app.storage.index import IndexState

# Board → (metric, label of the name, labels that are fixed).
_BOARDS: dict[str, tuple[str, str, dict[str, str]]] = {
    "repository_failures": ("registry_recent_repository_failures", "repository", {}),
    "repository_bytes_push": ("registry_recent_repository_bytes", "repository", {"direction": "push"}),
    "repository_bytes_pull": ("registry_recent_repository_bytes", "repository", {"direction": "pull"}),
    "user_failed_logins": ("registry_recent_user_failed_logins", "user", {}),
    "address_failed_logins": ("registry_recent_address_failed_logins", "address", {}),
}
# Task → key of its report → metric.
_TOLD = {
    "gc": {
        "freed_bytes": "registry_gc_last_run_freed_bytes",
        "removed_blobs": "registry_gc_last_run_removed_blobs",
    },
    "scrub": {
        "checked_bytes": "registry_scrub_last_run_checked_bytes",
        "damaged": "registry_scrub_last_run_damaged_blobs",
    },
}


def disk(root: Path, *, reserve: int) -> Source:
    """Space on the disk of a store."""

    def read() -> Iterator[Observation]:
        found = os.statvfs(root)
        yield Observation("registry_storage_free_bytes", found.f_bavail * found.f_frsize)
        yield Observation("registry_storage_size_bytes", found.f_blocks * found.f_frsize)
        yield Observation("registry_storage_reserve_bytes", reserve)
        if found.f_files:
            yield Observation("registry_storage_free_inodes", found.f_favail)

    return read


def states(checks: Mapping[str, Callable[[], str | None]]) -> Source:
    """1 for each check without a complaint; the key is the metric's name."""

    def read() -> Iterator[Observation]:
        for name, check in checks.items():
            yield Observation(name, 0 if check() else 1)

    return read


def numbers(counts: Mapping[str, Callable[[], float | None]]) -> Source:
    """Plain numbers; the key is the metric's name, and None is what nobody knows yet."""

    def read() -> Iterator[Observation]:
        for name, count in counts.items():
            if (found := count()) is not None:
                yield Observation(name, found)

    return read


def index(read_state: Callable[[], IndexState], count: Callable[[], tuple[int, int] | None]) -> Source:
    """How the index stands; `count` gives how many manifests it knows and how many of them are referrers, if known."""

    def read() -> Iterator[Observation]:
        state, known = read_state(), count()
        yield Observation("registry_index_complete", 0 if state.dirty or state.trouble else 1)
        if state.reconciled:
            yield Observation("registry_index_reconciled_timestamp_seconds", state.reconciled)
            yield Observation("registry_index_reconciliation_duration_seconds", state.seconds)
            yield Observation("registry_index_repositories", state.repositories)
        if known is not None:
            manifests, referrers = known
            yield Observation("registry_index_manifests", manifests)
            yield Observation("registry_index_referrers", referrers)

    return read


def maintenance(reports: Mapping[str, Path], *, intervals: Mapping[str, float | None]) -> Source:
    """What the last runs left behind, by task; `intervals` in seconds, None where no run is scheduled."""

    def read() -> Iterator[Observation]:
        for task, interval in intervals.items():
            if interval is not None:
                yield Observation("registry_maintenance_interval_seconds", interval, {"task": task})
        for task, path in reports.items():
            with suppress(FileNotFoundError):
                yield from _report(task, json.loads(path.read_text(encoding="utf-8")))

    return read


def _report(task: str, report: Mapping[str, Any]) -> Iterator[Observation]:
    labels = {"task": task}
    duration = max(0.0, report["finished"] - report["started"])
    yield Observation("registry_maintenance_last_run_timestamp_seconds", report["finished"], labels)
    yield Observation("registry_maintenance_last_run_duration_seconds", duration, labels)
    yield Observation("registry_maintenance_last_run_success", report["result"] == "ok", labels)
    for key, metric in _TOLD[task].items():
        if key in report:
            yield Observation(metric, report[key])


def secret_files(files: Mapping[str, Path | None]) -> Source:
    """When each secret file was last changed."""

    def read() -> Iterator[Observation]:
        for name, path in files.items():
            if path is not None:
                with suppress(FileNotFoundError):
                    yield Observation(
                        "registry_secret_changed_timestamp_seconds", path.stat().st_mtime, {"secret": name}
                    )

    return read


def recent_boards(own: Recent, shared: SharedFolder | None, *, clock: Callable[[], float] = time.time) -> Source:
    """Who stood out in the last minutes, over all workers."""

    def read() -> Iterator[Observation]:
        mine = own.minutes()
        others = [] if shared is None else [path for path in recent_files(shared) if path != own.file]
        boards = top([mine, *map(read_minutes, others)], now=clock())
        for board, names in boards.items():
            metric, label, fixed = _BOARDS[board]
            for name, amount in names:
                yield Observation(metric, amount, {label: name, **fixed})

    return read


def recent_files(shared: SharedFolder) -> list[Path]:
    """The files in which the workers leave their recent counts, dead ones included: what they saw was seen."""
    return sorted(shared.path.glob("recent_*.json"))


def service(*, configured: int, shared: SharedFolder | None, started: float) -> Source:
    """What runs, since when."""

    def read() -> Iterator[Observation]:
        serving = 1 if shared is None else len(shared.live_slots())
        yield Observation("registry_build_info", 1, {"version": __version__})
        yield Observation("registry_start_timestamp_seconds", started)
        yield Observation("registry_workers", serving, {"state": "serving"})
        yield Observation("registry_workers", configured, {"state": "configured"})

    return read
