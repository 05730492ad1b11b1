"""One collection, from the look at the tree to the emptied trash, while pushes and pulls go on.

Two passes, each over one repository at a time, so that memory does not grow with the store. The first removes
manifests (only where the policy says so); the second marks what the manifests that are left need, and sweeps the
rest. A manifest that is pushed meanwhile writes down what it needs (see `storage.epochs`).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from registry_app.errors import ErrorCode, RegistryError
from registry_app.gc.marks import Marks, count_marked, short, unmarked
from registry_app.gc.plan import decide_manifests, heirs, needed_by, why_kept
from registry_app.gc.report import Report
from registry_app.gc.runs import record_run
from registry_app.gc.scrub import put_away
from registry_app.gc.snapshot import look_at_manifests, names_of_manifests, take_snapshot
from registry_app.gc.stale import old_drafts, remove_drafts, uploads_at_rest
from registry_app.gc.sweep import Rehearsal, Sweeper
from registry_app.storage.links import linked_digests
from registry_app.storage.survey import REMEDY
from registry_app.storage.trash import time_of

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from registry_app.gc.observers import Observer
    from registry_app.gc.plan import Decision, Policy
    from registry_app.oci.digests import Digest
    from registry_app.oci.names import Repository
    from registry_app.storage import Storage

log = logging.getLogger("registry.gc")


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
                _Collection(storage, policy, observer, report=report, hands=sweeper).go()
                report.run, report.longest_lock = sweeper.run, locks.longest
            report.removed_drafts = remove_drafts(old_drafts(storage))
            report.emptied_runs = _empty_trash(storage, _runs_over(storage, policy))
            result = "ok"
        finally:
            report.finished = storage.clock()
            record_run(storage, "gc", report.summary(result))
    return report


def plan_collection(storage: Storage, policy: Policy, observer: Observer) -> Report:
    """What a collection would do now, without changing anything."""
    report = Report(started=storage.clock(), dry_run=True)
    _Collection(storage, policy, observer, report=report, hands=Rehearsal(storage, policy)).go()
    report.removed_drafts, report.emptied_runs = len(old_drafts(storage)), len(_runs_over(storage, policy))
    report.finished = storage.clock()
    return report


@dataclass(slots=True)
class _Collection:
    """The passes of one collection, or of its rehearsal: what goes is handed to `hands`, which may decline."""

    storage: Storage
    policy: Policy
    observer: Observer
    report: Report = field(kw_only=True)
    hands: Sweeper | Rehearsal = field(kw_only=True)
    _marks: Marks = field(default_factory=Marks, init=False)

    def go(self) -> None:
        """Manifests, then links, then blobs, then uploads."""
        # A copy over the tree may put old folder times back: what is remembered by them may list less than there is.
        self.storage.listings.forget_all()
        if self.policy.untagged:
            for repository in self.storage.repositories.all():
                self._collect_manifests(repository)
        for repository in self.storage.repositories.all():
            self.report.repositories += 1
            self._collect_links(repository)
        self._require_no_detours()
        self._collect_blobs()
        self._collect_quarantine()
        if self.policy.stale_upload is not None:
            self._collect_uploads(self.policy.stale_upload)

    def _require_no_detours(self) -> None:
        """Raises UNSUPPORTED if a symbolic link was met: nobody knows what the manifests behind it need."""
        inside = str(self.storage.layout.repositories)
        for link in self.storage.files.detours():
            if link.startswith(inside):
                message = f"{link} is a symbolic link: images behind it may need any blob, so nothing is removed: "
                raise RegistryError(ErrorCode.UNSUPPORTED, message=message + REMEDY)

    def _collect_manifests(self, repository: Repository) -> None:
        snapshot = take_snapshot(self.storage, repository)
        self._require_no_detours()
        if snapshot.lost_tags:
            tags = ", ".join(snapshot.lost_tags[:5])
            log.warning("%s keeps what is untagged: tags that name nothing: %s. Push or delete them", repository, tags)
        keepers = heirs(snapshot)
        alive: set[Digest] = set()
        before = self.report.removed_manifests
        for decision in decide_manifests(snapshot, self.policy):
            reason = self._why_stays(repository, decision, keepers.get(decision.digest, frozenset()), alive)
            if reason is None:
                self.report.removed_manifests += 1
            elif not decision.keep:
                alive.add(decision.digest)
            self.observer.manifest(
                repository, decision.digest, kept=reason is not None, reason=reason or decision.reason
            )
        if self.report.removed_manifests > before:
            self.hands.forget_history(repository)

    def _why_stays(
        self, repository: Repository, decision: Decision, keepers: frozenset[Digest], alive: AbstractSet[Digest]
    ) -> str | None:
        """Why a manifest stays; None if it went. What belongs to one that came back to life meanwhile stays too."""
        if decision.keep:
            return decision.reason
        for keeper in keepers:
            if keeper in alive or self.hands.came_into_use(keeper):
                return f"{keeper}, to which it belongs, came into use during the collection"
        reason = self.hands.sweep_manifest(repository, decision.digest)
        self.report.kept_for_now += reason is not None
        return reason

    def _collect_links(self, repository: Repository) -> None:
        """Marks what the manifests of a repository need; its links to anything else go."""
        needed, unreadable = self._mark(repository)
        self._require_no_detours()
        if unreadable:
            log.warning("%s keeps everything: %s. Push it again, or delete it", repository, _unreadable(unreadable))
        for digest in linked_digests(self.storage.files, self.storage.layout.layers(repository)):
            if unreadable:
                self._need(repository, digest, needed)
            elif short(digest) not in needed:
                reason = self.hands.sweep(digest, self.storage.layout.layer(repository, digest))
                self.report.removed_links += reason is None
                self.report.kept_for_now += reason is not None
                told = reason or "no manifest refers to it"
                self.observer.link(repository, digest, kept=reason is not None, reason=told)

    def _mark(self, repository: Repository) -> tuple[set[int], list[Digest]]:
        """Marks what its manifests need; the first 64 bits of all that, and the manifests that can't be read."""
        needed, unreadable = set[int](), []
        # Nothing hangs on tags any more but what people are told.
        tags = names_of_manifests(self.storage, repository) if self.hands.explains else {}
        for revision in look_at_manifests(self.storage, repository):
            if self.hands.has_gone(repository, revision.digest):
                continue
            if not self.policy.untagged:
                reason = why_kept(tags.get(revision.digest, ()))
                self.observer.manifest(repository, revision.digest, kept=True, reason=reason)
            if revision.references is None:
                unreadable.append(revision.digest)
            for digest in needed_by(revision):
                self._need(repository, digest, needed)
        return needed, unreadable

    def _need(self, repository: Repository, digest: Digest, needed: set[int]) -> None:
        if short(digest) not in needed:
            needed.add(short(digest))
            self._marks.add(digest)
            self.observer.marked(repository, digest)

    def _collect_blobs(self) -> None:
        self.report.marked_blobs, self.report.candidates = count_marked(self.storage, self._marks)
        self.observer.planned(self.report)
        for digest in unmarked(self.storage, self._marks):
            path = self.storage.layout.blob(digest)
            size = _size(path)
            reason = self.hands.sweep(digest, path)
            if reason is None:
                self.report.removed_blobs += 1
                self.report.freed_bytes += size
            else:
                self.report.kept_for_now += 1
            self.observer.blob(digest, kept=reason is not None, reason=reason or "no manifest refers to it")

    def _collect_quarantine(self) -> None:
        """What was damaged, and was pushed again or is needed by nothing: it can be looked at as long as the trash."""
        for digest in put_away(self.storage):
            path = self.storage.layout.quarantined(digest)
            found = self.storage.files.stat(path)
            needed = self._marks.hold(digest) and not self.storage.files.exists(self.storage.layout.blob(digest))
            if found and not needed and self.storage.clock() - found.st_mtime >= self.policy.trash:
                self.hands.remove_damaged(path)

    def _collect_uploads(self, age: float) -> None:
        for repository, folder, young in uploads_at_rest(self.storage, age=age):
            size, reason = _size(folder / "data"), young
            reason = reason or self.hands.remove_upload(folder)
            if reason is None:
                self.report.removed_uploads += 1
                self.report.freed_bytes += size
            self.observer.upload(repository, folder.name, kept=reason is not None, reason=reason or "abandoned")


def _unreadable(digests: list[Digest]) -> str:
    more = f" and {len(digests) - 1} more" if len(digests) > 1 else ""
    return f"what it needs can't be told, as manifest {digests[0]}{more} is damaged or missing"


def _runs_over(storage: Storage, policy: Policy) -> list[str]:
    """Runs in the trash whose time is over, or all of them if room is short."""
    runs = storage.trash.runs()
    if storage.space.is_short:
        return runs
    return [run for run in runs if (began := time_of(run)) is None or storage.clock() - began >= policy.trash]


def _empty_trash(storage: Storage, runs: list[str]) -> int:
    for run in runs:
        storage.trash.empty(run)
    return len(runs)


def _size(path: Path) -> int:
    try:
        return path.stat(follow_symlinks=False).st_size
    except FileNotFoundError:
        return 0
