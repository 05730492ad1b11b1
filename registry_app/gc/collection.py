"""One collection, from the look at the tree to the emptied trash, while pushes and pulls go on.

Two passes, each over one repository at a time, so that memory does not grow with the store. The first removes
manifests (only where the policy says so); the second marks what the manifests that are left need, and sweeps the
rest. A manifest that is pushed meanwhile writes down what it needs (see `storage.epochs`).
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from registry_app.errors import ErrorCode, RegistryError
from registry_app.gc.plan import Policy, decide_manifests, heirs, marked_by, why_young
from registry_app.gc.runs import record_run
from registry_app.gc.snapshot import take_snapshot
from registry_app.gc.stale import remove_drafts, remove_upload, stale_uploads
from registry_app.gc.sweep import Sweeper
from registry_app.oci.digests import ALGORITHMS, Digest
from registry_app.storage.trash import time_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from registry_app.oci.names import Repository
    from registry_app.storage import Storage

log = logging.getLogger("registry.gc")


class Observer(Protocol):
    """Is told each decision as it is made."""

    def manifest(self, repository: Repository, digest: Digest, *, kept: bool, reason: str) -> None:
        """What becomes of a manifest."""

    def marked(self, repository: Repository, digest: Digest) -> None:
        """A blob that a manifest needs."""

    def link(self, repository: Repository, digest: Digest, *, kept: bool, reason: str) -> None:
        """What becomes of a layer link that no manifest needs."""

    def planned(self, report: Report) -> None:
        """Everything is marked; the sweep of blobs begins."""

    def blob(self, digest: Digest, *, kept: bool, reason: str) -> None:
        """What becomes of a blob that nothing needs."""

    def upload(self, repository: Repository, upload: str) -> None:
        """An upload that goes."""


@dataclass(slots=True, kw_only=True)
class Report:
    """What a collection did, or would do. Times in seconds, since 1970 for the first two."""

    started: float = 0.0
    finished: float = 0.0
    dry_run: bool = False
    repositories: int = 0
    marked_blobs: int = 0
    removed_manifests: int = 0
    removed_links: int = 0
    removed_blobs: int = 0
    removed_uploads: int = 0
    removed_drafts: int = 0
    kept_for_now: int = 0
    freed_bytes: int = 0
    emptied_runs: int = 0
    longest_lock: float = 0.0
    run: str = ""
    candidates: list[Digest] = field(default_factory=list, repr=False)


def collect(storage: Storage, policy: Policy, observer: Observer) -> Report:
    """Collects once; raises UNAVAILABLE if another collection runs on the store."""
    with storage.locks.collecting() as alone:
        if not alone:
            raise RegistryError(ErrorCode.UNAVAILABLE, message="another collection is running on this store")
        report = Report(started=storage.clock())
        result = "failed"
        try:
            with storage.epochs.collection() as references, storage.locks.sweeping() as locks:
                sweeper = Sweeper(storage, policy, references, locks)
                _collect(storage, policy, observer, report=report, sweeper=sweeper)
                report.run, report.longest_lock = sweeper.run, locks.longest
            _empty_trash(storage, policy, report)
            result = "ok"
        finally:
            report.finished = storage.clock()
            record_run(storage, "gc", _summary(report, result))
    return report


def plan_collection(storage: Storage, policy: Policy, observer: Observer) -> Report:
    """What a collection would do now, without changing anything."""
    report = Report(started=storage.clock(), dry_run=True)
    _collect(storage, policy, observer, report=report, sweeper=None)
    report.finished = storage.clock()
    return report


def _collect(storage: Storage, policy: Policy, observer: Observer, *, report: Report, sweeper: Sweeper | None) -> None:
    # A copy over the tree may put old folder times back: what is remembered by them may list less than there is.
    storage.listings.forget_all()
    removed = _collect_manifests(storage, policy, observer, report=report, sweeper=sweeper) if policy.untagged else {}
    marked: set[str] = set()
    for repository in storage.repositories.all():
        report.repositories += 1
        gone = removed.get(repository, frozenset())
        needed = _collect_links(storage, policy, repository, gone, observer=observer, report=report, sweeper=sweeper)
        marked.update(map(str, needed))
    _collect_blobs(storage, policy, marked, observer=observer, report=report, sweeper=sweeper)
    if sweeper:
        report.removed_drafts = remove_drafts(storage)
    if policy.stale_upload is not None:
        _collect_uploads(storage, policy.stale_upload, observer, report=report, sweeper=sweeper)


def _collect_manifests(
    storage: Storage, policy: Policy, observer: Observer, *, report: Report, sweeper: Sweeper | None
) -> dict[Repository, frozenset[Digest]]:
    """Removes manifests; which, by repository, if it is only a plan (else the tree itself tells)."""
    planned: dict[Repository, frozenset[Digest]] = {}
    for repository in storage.repositories.all():
        snapshot = take_snapshot(storage, repository, with_tags=True)
        decisions = decide_manifests(snapshot, policy)
        keepers = heirs(snapshot)
        gone: set[Digest] = set()
        alive: set[Digest] = set()
        for decision in decisions:
            reason: str | None = decision.reason if decision.keep else None
            if reason is None and sweeper:
                saviour = _saviour(keepers.get(decision.digest, frozenset()), alive, sweeper)
                link = storage.layout.revision(repository, decision.digest)
                reason = saviour or sweeper.sweep(decision.digest, link)
                if reason and not saviour:
                    report.kept_for_now += 1
            if reason is None:
                gone.add(decision.digest)
                report.removed_manifests += 1
            elif not decision.keep:
                alive.add(decision.digest)
            observer.manifest(repository, decision.digest, kept=reason is not None, reason=reason or decision.reason)
        if gone and not sweeper:
            planned[repository] = frozenset(gone)
    return planned


def _saviour(keepers: frozenset[Digest], alive: AbstractSet[Digest], sweeper: Sweeper) -> str | None:
    """Why something stays that was to go together with others, one of which came back to life meanwhile."""
    for keeper in keepers:
        if keeper in alive or sweeper.log.holds(keeper):
            return f"{keeper}, to which it belongs, came into use during the collection"
    return None


def _collect_links(
    storage: Storage,
    policy: Policy,
    repository: Repository,
    gone: frozenset[Digest],
    *,
    observer: Observer,
    report: Report,
    sweeper: Sweeper | None,
) -> frozenset[Digest]:
    """What the manifests of a repository need; its links to anything else are removed."""
    snapshot = take_snapshot(storage, repository, with_tags=False)
    if gone:
        left = {digest: one for digest, one in snapshot.revisions.items() if digest not in gone}
        snapshot = replace(snapshot, revisions=left)
    if not policy.untagged:
        for digest in snapshot.revisions:
            observer.manifest(repository, digest, kept=True, reason="untagged manifests are kept")
    if unreadable := [digest for digest, revision in snapshot.revisions.items() if revision.references is None]:
        log.warning("%s keeps everything: %s. Push it again, or delete it", repository, _unreadable(unreadable))
    needed = marked_by(snapshot)
    for digest in needed:
        observer.marked(repository, digest)
    for digest in snapshot.layers - needed:
        path = storage.layout.layer(repository, digest)
        reason = sweeper.sweep(digest, path) if sweeper else why_young(_age(storage, path), policy)
        if reason is None:
            report.removed_links += 1
        else:
            report.kept_for_now += 1
        observer.link(repository, digest, kept=reason is not None, reason=reason or "no manifest refers to it")
    return needed


def _unreadable(digests: list[Digest]) -> str:
    more = f" and {len(digests) - 1} more" if len(digests) > 1 else ""
    return f"what it needs can't be told, as manifest {digests[0]}{more} is damaged or missing"


def _collect_blobs(
    storage: Storage,
    policy: Policy,
    marked: AbstractSet[str],
    *,
    observer: Observer,
    report: Report,
    sweeper: Sweeper | None,
) -> None:
    for text in _stored_names(storage):
        if text in marked:
            report.marked_blobs += 1
        else:
            with suppress(RegistryError):  # a folder that is none of ours
                report.candidates.append(Digest.parse(text))
    observer.planned(report)
    for digest in report.candidates:
        path = storage.layout.blob(digest)
        size = _size(path)
        reason = sweeper.sweep(digest, path) if sweeper else why_young(_age(storage, path), policy)
        if reason is None:
            report.removed_blobs += 1
            report.freed_bytes += size
        else:
            report.kept_for_now += 1
        observer.blob(digest, kept=reason is not None, reason=reason or "no manifest refers to it")


def _collect_uploads(
    storage: Storage, age: float, observer: Observer, *, report: Report, sweeper: Sweeper | None
) -> None:
    for repository, folder in stale_uploads(storage, age=age):
        size = _size(folder / "data")
        if sweeper is None or remove_upload(folder):
            report.removed_uploads += 1
            report.freed_bytes += size
            observer.upload(repository, folder.name)


def _empty_trash(storage: Storage, policy: Policy, report: Report) -> None:
    for run in storage.trash.runs():
        began = time_of(run)
        if began is None or storage.clock() - began >= policy.trash or storage.space.is_short:
            storage.trash.empty(run)
            report.emptied_runs += 1


def stored_digests(storage: Storage) -> Iterator[Digest]:
    """Every digest that may have content, in order of their first two digits."""
    for text in _stored_names(storage):
        with suppress(RegistryError):
            yield Digest.parse(text)


def _stored_names(storage: Storage) -> Iterator[str]:
    for algorithm in ALGORITHMS:
        for prefix in sorted(storage.files.names(storage.layout.blobs / algorithm)):
            for encoded in storage.files.names(storage.layout.blobs / algorithm / prefix):
                if encoded.startswith(prefix):
                    yield f"{algorithm}:{encoded}"


def _age(storage: Storage, path: Path) -> float:
    try:
        return storage.clock() - path.stat(follow_symlinks=False).st_mtime
    except FileNotFoundError:
        return float("inf")


def _size(path: Path) -> int:
    try:
        return path.stat(follow_symlinks=False).st_size
    except FileNotFoundError:
        return 0


def _summary(report: Report, result: str) -> dict[str, object]:
    names = ("started", "finished", "freed_bytes", "removed_blobs", "removed_manifests", "removed_links")
    more = ("removed_uploads", "marked_blobs", "kept_for_now", "longest_lock", "run")
    return {"result": result, **{name: getattr(report, name) for name in (*names, *more)}}
