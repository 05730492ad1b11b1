"""Who watches a collection: nobody, a log, or a person at a terminal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from registry_app.gc.report import Report
    from registry_app.oci.digests import Digest
    from registry_app.oci.names import Repository


class Observer:
    """Is told each decision as it is made; this one says nothing."""

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

    def upload(self, repository: Repository, upload: str, *, kept: bool, reason: str) -> None:
        """What becomes of an upload."""


class NowAndThen:
    """Says something after `every` seconds, then again after as many."""

    def __init__(
        self, say: Callable[[str], None], *, every: float = 10.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._say = say
        self._every = every
        self._clock = clock
        self._due = clock() + every

    def tell(self, text: Callable[[], str]) -> None:
        """Says the text if it is time."""
        if (now := self._clock()) >= self._due:
            self._due = now + self._every
            self._say(text())


class Progress(Observer):
    """Tells now and then how far a collection is."""

    def __init__(self, now_and_then: NowAndThen) -> None:
        self._tell = now_and_then.tell
        self._needed = self._swept = self._candidates = 0

    def manifest(self, repository: Repository, digest: Digest, *, kept: bool, reason: str) -> None:
        """Tells which repository is looked at."""
        self._tell(lambda: f"looking at {repository}")

    def marked(self, repository: Repository, digest: Digest) -> None:
        """Tells how many blobs were found to be needed, up to which repository."""
        self._needed += 1
        self._tell(lambda: f"marking, at {repository} by now: {self._needed} blobs in use")

    def link(self, repository: Repository, digest: Digest, *, kept: bool, reason: str) -> None:
        """Tells the same: links are swept between the marks."""
        self._tell(lambda: f"marking, at {repository} by now: {self._needed} blobs in use")

    def planned(self, report: Report) -> None:
        """From here on it is known how much is left."""
        self._candidates = report.candidates

    def blob(self, digest: Digest, *, kept: bool, reason: str) -> None:
        """Tells how many of the blobs that nothing needs were looked at."""
        self._swept += 1
        self._tell(lambda: f"sweeping: {self._swept} of {self._candidates} blobs that nothing needs")

    def upload(self, repository: Repository, upload: str, *, kept: bool, reason: str) -> None:
        """Tells that only uploads are left."""
        self._tell(lambda: f"removing abandoned uploads, at {repository} by now")


class Telling(Observer):
    """Tells each decision in the lines of upstream's garbage collector, with the reason where something stays."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._repository: Repository | None = None
        self._removed_manifests: list[Digest] = []
        self._removed_links: list[tuple[Repository, Digest]] = []

    def manifest(self, repository: Repository, digest: Digest, *, kept: bool, reason: str) -> None:
        """`<repository>: marking manifest <digest>`, and why."""
        self._head(repository)
        if kept:
            self._say(f"{repository}: marking manifest {digest} (kept because {reason})")
        else:
            self._removed_manifests.append(digest)

    def marked(self, repository: Repository, digest: Digest) -> None:
        """`<repository>: marking blob <digest>`."""
        self._head(repository)
        self._say(f"{repository}: marking blob {digest}")

    def link(self, repository: Repository, digest: Digest, *, kept: bool, reason: str) -> None:
        """Why a layer link that nothing needs stays."""
        self._head(repository)
        if kept:
            self._say(f"{repository}: layer link {digest} (kept because {reason})")
        else:
            self._removed_links.append((repository, digest))

    def planned(self, report: Report) -> None:
        """`N blobs marked, M blobs and K manifests eligible for deletion`, then each of them."""
        manifests = len(self._removed_manifests)
        eligible = f"{report.candidates} blobs and {manifests} manifests eligible for deletion"
        self._say(f"\n{report.marked_blobs} blobs marked, {eligible}")
        for digest in self._removed_manifests:
            self._say(f"manifest eligible for deletion: {digest}")
        for repository, digest in self._removed_links:
            self._say(f"layer link eligible for deletion: {repository}@{digest}")

    def blob(self, digest: Digest, *, kept: bool, reason: str) -> None:
        """`blob eligible for deletion: <digest>`, or why it stays for now."""
        self._say(f"blob {digest} (kept because {reason})" if kept else f"blob eligible for deletion: {digest}")

    def upload(self, repository: Repository, upload: str, *, kept: bool, reason: str) -> None:
        """An abandoned upload, or why one stays."""
        if kept:
            self._say(f"{repository}: upload {upload} (kept because {reason})")
        else:
            self._say(f"{repository}: upload eligible for deletion: {upload}")

    def _head(self, repository: Repository) -> None:
        if repository != self._repository:
            self._repository = repository
            self._say(str(repository))
