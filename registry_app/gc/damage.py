"""Finds which images a damaged blob breaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry_app.gc.plan import needed_by
from registry_app.gc.snapshot import look_at_manifests, names_of_manifests

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from registry_app.oci.digests import Digest
    from registry_app.storage import Storage


def affected_images(storage: Storage, damaged: frozenset[Digest]) -> Iterator[str]:
    """Names of the images that need any of these blobs: `repository:tag`, or `repository@digest` without a tag."""
    if not damaged:
        return
    for repository in storage.repositories.all():
        broken: set[Digest] = set()
        above: dict[Digest, list[Digest]] = {}
        for revision in look_at_manifests(storage, repository):
            if not damaged.isdisjoint(needed_by(revision)):
                broken.add(revision.digest)
            for child in revision.references.children if revision.references else ():
                above.setdefault(child, []).append(revision.digest)
        tags = names_of_manifests(storage, repository) if broken else {}
        for digest in sorted(_with_indexes_above(broken, above)):
            names = [f"{repository}:{tag}" for tag in sorted(tags.get(digest, ()))]
            yield from names or [f"{repository}@{digest}"]


def _with_indexes_above(broken: AbstractSet[Digest], above: Mapping[Digest, Iterable[Digest]]) -> set[Digest]:
    """These manifests and every index that holds one of them, also by way of other indexes."""
    found, waiting = set(broken), list(broken)
    while waiting:
        fresh = [digest for digest in above.get(waiting.pop(), ()) if digest not in found]
        found.update(fresh)
        waiting += fresh
    return found
