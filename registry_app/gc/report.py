"""What a collection did, and who is told while it does it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from registry_app.oci.digests import Digest
    from registry_app.oci.names import Repository

_SUMMARY = (
    "started",
    "finished",
    "freed_bytes",
    "removed_blobs",
    "removed_manifests",
    "removed_links",
    "removed_uploads",
    "marked_blobs",
    "kept_for_now",
    "longest_lock",
    "run",
)


@dataclass(slots=True, kw_only=True)
class Report:
    """What a collection did, or would do. Times in seconds, since 1970 for the first two.

    `candidates` are blobs that nothing needed when everything was marked; some of them may be kept for now.
    """

    started: float = 0.0
    finished: float = 0.0
    dry_run: bool = False
    repositories: int = 0
    marked_blobs: int = 0
    candidates: int = 0
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

    def summary(self, result: str) -> dict[str, object]:
        """What is kept of it for metrics and pages; `result` is ok or failed."""
        return {"result": result, **{name: getattr(self, name) for name in _SUMMARY}}


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
