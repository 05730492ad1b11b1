"""Looks at a repository: reads only, while others write."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from registry_app.gc.plan import RepositorySnapshot, Revision
from registry_app.oci.digests import Digest
from registry_app.oci.references import parse_references
from registry_app.storage.links import leases

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from registry_app.oci.names import Repository
    from registry_app.oci.references import References
    from registry_app.storage import Storage

_LARGEST = 64 * 1024 * 1024


def look_at_manifests(storage: Storage, repository: Repository) -> Iterator[Revision]:
    """Every manifest of a repository, one at a time: there may be many, and each may refer to much.

    What is added during the look may be missing, what is removed may be there.
    """
    now = storage.clock()
    for digest, renewed in leases(storage.files, storage.layout.revisions(repository)):
        yield Revision(digest=digest, age=now - renewed, references=_references(storage, digest))


def names_of_manifests(storage: Storage, repository: Repository) -> Mapping[Digest, tuple[str, ...]]:
    """The tags of each manifest that has some."""
    tags: dict[Digest, tuple[str, ...]] = {}
    for tag, digest in storage.tags.all(repository):
        tags[digest] = (*tags.get(digest, ()), tag.name)
    return tags


def take_snapshot(storage: Storage, repository: Repository) -> RepositorySnapshot:
    """The manifests that the repository holds now, how they keep each other, and its tags. Blobs are left out."""
    revisions = {found.digest: _without_blobs(found) for found in look_at_manifests(storage, repository)}
    lost = [tag.name for tag in storage.tags.damaged(repository)]
    tags = names_of_manifests(storage, repository)
    for digest, names in tags.items():
        # Pushed since the look at the revisions, or a link with one flipped bit.
        if digest not in revisions and not storage.files.exists(storage.layout.revision(repository, digest)):
            lost.extend(names)
    return RepositorySnapshot(repository=repository, revisions=revisions, tags=tags, lost_tags=tuple(sorted(lost)))


def _without_blobs(revision: Revision) -> Revision:
    references = revision.references
    if references is None:
        return revision
    nothing: frozenset[Digest] = frozenset()
    return replace(revision, references=replace(references, blobs=nothing, elsewhere=nothing, annotations={}))


def _references(storage: Storage, digest: Digest) -> References | None:
    try:
        body = storage.files.read(storage.layout.blob(digest), limit=_LARGEST)
        # One flipped bit in it may name another layer than the one it needs.
        return parse_references(body) if Digest.of(body, digest.algorithm) == digest else None
    except (OSError, ValueError):
        return None
