"""Puts back what a run took, and what the images among it need from other runs.

A manifest and its layers may go in different collections, as each has a lease of its own; and the blobs of a deleted
repository go with the next one. A manifest that came back alone would be an image no longer than the trash lasts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from registry_app.errors import ErrorCode, RegistryError
from registry_app.oci.references import parse_references
from registry_app.storage.inspection import find_missing
from registry_app.storage.needs import LARGEST_STORED

if TYPE_CHECKING:
    from pathlib import Path

    from registry_app.oci.digests import Digest
    from registry_app.oci.names import Repository
    from registry_app.oci.references import References
    from registry_app.storage import Storage
    from registry_app.storage.inspection import Finding


@dataclass(slots=True)
class Restored:
    """The number of files that came back, and what is gone for good and would have to be pushed again."""

    files: int = 0
    missing: list[Finding] = field(default_factory=list)


def restore(storage: Storage, run: str) -> Restored:
    """Puts back what a run took where nothing newer lies, durably, what an image needs before it, tags last.

    Raises UNAVAILABLE while a collection runs, which would take the first things away before the last are back.
    """
    with storage.locks.collecting() as alone:
        if not alone:
            message = "a collection is running: try again when it has ended"
            raise RegistryError(ErrorCode.UNAVAILABLE, message=message)
        restored = Restored()
        manifests = []
        for place in storage.trash.contents(run):
            if (revision := storage.layout.revision_at(place)) is not None:
                restored.files += _take_back_needs(storage, *revision)
                manifests.append(revision)
            restored.files += _put_back(storage, run, place)
        for repository, digest in manifests:
            restored.missing += find_missing(storage, repository, digest)
        storage.trash.empty(run)
        return restored


def _put_back(storage: Storage, run: str, place: Path) -> bool:
    tagged = storage.layout.tag_at(place)
    if tagged is None:
        return storage.trash.put_back(run, place)
    with storage.locks.changing_tag(*tagged):  # a push may be about to point it elsewhere
        return storage.trash.put_back(run, place)


def _take_back_needs(storage: Storage, repository: Repository, digest: Digest) -> int:
    """Takes back what a manifest refers to, down to the last, from wherever collections put it; how many files."""
    layout = storage.layout
    taken = _take_back(storage, layout.blob(digest))
    waiting, seen = [digest], {digest}
    while waiting:
        references = _references(storage, waiting.pop())
        for blob in references.blobs if references else ():
            taken += _take_back(storage, layout.blob(blob), layout.layer(repository, blob))
        for child in references.children if references else ():
            taken += _take_back(storage, layout.blob(child), layout.revision(repository, child))
            waiting += {child} - seen
            seen.add(child)
    return taken


def _take_back(storage: Storage, *places: Path) -> int:
    return sum(not storage.files.exists(place) and storage.trash.take_back(place) for place in places)


def _references(storage: Storage, digest: Digest) -> References | None:
    try:
        return parse_references(storage.files.read(storage.layout.blob(digest), limit=LARGEST_STORED))
    except (FileNotFoundError, ValueError):
        return None
