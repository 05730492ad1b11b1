"""What a collection did."""

from __future__ import annotations

from dataclasses import dataclass

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
