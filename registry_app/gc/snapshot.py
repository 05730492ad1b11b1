"""Looks at a repository: reads only, while others write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry_app.gc.plan import RepositorySnapshot, Revision
from registry_app.oci.digests import Digest
from registry_app.oci.references import parse_references
from registry_app.storage.links import leases, linked_digests

if TYPE_CHECKING:
    from registry_app.oci.names import Repository
    from registry_app.oci.references import References
    from registry_app.storage import Storage

_LARGEST = 64 * 1024 * 1024


def take_snapshot(storage: Storage, repository: Repository, *, with_tags: bool) -> RepositorySnapshot:
    """What the repository holds now. What is added during the look may be missing, what is removed may be there."""
    now = storage.clock()
    revisions = {
        digest: Revision(digest=digest, age=now - renewed, references=_references(storage, digest))
        for digest, renewed in leases(storage.files, storage.layout.revisions(repository))
    }
    tags: dict[Digest, tuple[str, ...]] = {}
    lost = []
    if with_tags:
        lost = [tag.name for tag in storage.tags.damaged(repository)]
        for tag, digest in storage.tags.all(repository):
            tags[digest] = (*tags.get(digest, ()), tag.name)
            # Pushed since the look at the revisions, or a link with one flipped bit.
            if digest not in revisions and not storage.files.exists(storage.layout.revision(repository, digest)):
                lost.append(tag.name)
    layers = frozenset(linked_digests(storage.files, storage.layout.layers(repository)))
    return RepositorySnapshot(
        repository=repository, revisions=revisions, tags=tags, lost_tags=tuple(sorted(lost)), layers=layers
    )


def _references(storage: Storage, digest: Digest) -> References | None:
    try:
        body = storage.files.read(storage.layout.blob(digest), limit=_LARGEST)
        # One flipped bit in it may name another layer than the one it needs.
        return parse_references(body) if Digest.of(body, digest.algorithm) == digest else None
    except (OSError, ValueError):
        return None
