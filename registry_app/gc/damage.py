"""Finds which images a damaged blob breaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry_app.gc.snapshot import take_snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator

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
        indexes = {
            digest
            for digest, revision in snapshot.revisions.items()
            if revision.references and not broken.isdisjoint(revision.references.children)
        }
        for digest in sorted(broken | indexes):
            names = [f"{repository}:{tag}" for tag in sorted(snapshot.tags.get(digest, ()))]
            yield from names or [f"{repository}@{digest}"]
