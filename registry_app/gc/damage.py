"""Finds which images a damaged blob breaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry_app.gc.snapshot import take_snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

    from registry_app.gc.plan import RepositorySnapshot
    from registry_app.oci.digests import Digest
    from registry_app.storage import Storage


def affected_images(storage: Storage, damaged: frozenset[Digest]) -> Iterator[str]:
    """Names of the images that need any of these blobs: `repository:tag`, or `repository@digest` without a tag."""
    if not damaged:
        return
    for repository in storage.repositories.all():
        snapshot = take_snapshot(storage, repository, with_tags=True)
        broken = set()
        for digest, revision in snapshot.revisions.items():
            references = revision.references
            if digest in damaged or (references and not damaged.isdisjoint(references.blobs)):
                broken.add(digest)
        for digest in sorted(_with_indexes_above(snapshot, broken)):
            names = [f"{repository}:{tag}" for tag in sorted(snapshot.tags.get(digest, ()))]
            yield from names or [f"{repository}@{digest}"]


def _with_indexes_above(snapshot: RepositorySnapshot, broken: AbstractSet[Digest]) -> set[Digest]:
    """These manifests and every index that holds one of them, also by way of other indexes."""
    above: dict[Digest, list[Digest]] = {}
    for digest, revision in snapshot.revisions.items():
        for child in revision.references.children if revision.references else ():
            above.setdefault(child, []).append(digest)
    found, waiting = set(broken), list(broken)
    while waiting:
        fresh = [digest for digest in above.get(waiting.pop(), ()) if digest not in found]
        found.update(fresh)
        waiting += fresh
    return found
