"""What a person should know of a tree before relying on it, or before giving it to registry:2 or registry:3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry_app.errors import RegistryError
from registry_app.oci.digests import CANONICAL, Digest
from registry_app.oci.references import parse_references
from registry_app.storage.links import has_link, leases, linked_digests

if TYPE_CHECKING:
    from collections.abc import Iterator

    from registry_app.oci.names import Repository
    from registry_app.oci.references import References
    from registry_app.storage.store import Storage


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a manifest, tag or blob of a repository."""

    repository: str
    name: str
    text: str

    def __str__(self) -> str:
        return f"{self.repository}: {self.name}: {self.text}"


def find_gaps(storage: Storage) -> Iterator[Finding]:
    """Tags without a manifest, and manifests without what they refer to. Contents are not hashed: `scrub` does that."""
    for repository in storage.repositories.all():
        name = str(repository)
        for tag in storage.tags.damaged(repository):
            yield Finding(
                name,
                str(tag),
                "its link is empty or holds no digest, so it names nothing: push it again, or delete the tag",
            )
        for tag, digest in storage.tags.all(repository):
            if not storage.manifests.exists(repository, digest):
                yield Finding(name, str(tag), f"names {digest}, which is not there: push it again, or delete the tag")
        # Upstream leaves the folder of a manifest that was deleted, without the link in it.
        for digest, _ in leases(storage.files, storage.layout.revisions(repository)):
            yield from find_missing(storage, repository, digest)


def find_missing(storage: Storage, repository: Repository, digest: Digest) -> Iterator[Finding]:
    """What a manifest refers to and its repository lacks, or that it is itself not to be had."""
    try:
        references = parse_references(storage.manifests.get(repository, digest).body)
    except (RegistryError, ValueError):
        yield Finding(str(repository), str(digest), "its content is missing or damaged: push it again, or delete it")
        return
    for missing in _missing(storage, repository, references):
        yield Finding(str(repository), str(digest), f"refers to {missing}, which is not there: push the image again")


def find_foreign(storage: Storage) -> Iterator[Finding]:
    """What registry:2 and registry:3 could not hold or might lose."""
    for repository in storage.repositories.all():
        kept = {digest for _tag, digest in storage.tags.all(repository)} | set(_children(storage, repository))
        for digest in linked_digests(storage.files, storage.layout.layers(repository)):
            if digest.algorithm != CANONICAL:
                yield Finding(str(repository), str(digest), "a blob that upstream does not find by this digest")
        for digest in storage.manifests.digests(repository):
            yield from (
                Finding(str(repository), str(digest), text) for text in _foreign(storage, repository, digest, kept)
            )


def _foreign(storage: Storage, repository: Repository, digest: Digest, kept: set[Digest]) -> Iterator[str]:
    if digest.algorithm != CANONICAL:
        yield "a manifest that upstream does not find by this digest: push it by sha256"
    try:
        subject = parse_references(storage.manifests.get(repository, digest).body).subject
    except (RegistryError, ValueError):
        return
    if subject is not None:
        yield f"refers to {subject}: upstream does not list referrers"
    if digest not in kept:
        yield "has neither tag nor index: upstream's `garbage-collect --delete-untagged` would delete it"


def _children(storage: Storage, repository: Repository) -> Iterator[Digest]:
    for digest in storage.manifests.digests(repository):
        try:
            yield from parse_references(storage.manifests.get(repository, digest).body).children
        except (RegistryError, ValueError):
            continue


def _missing(storage: Storage, repository: Repository, references: References) -> Iterator[Digest]:
    for blob in references.blobs - references.elsewhere:
        link = storage.layout.layer(repository, blob)
        if not has_link(storage.files, link, blob) or storage.contents.find(blob) is None:
            yield blob
    for child in references.children:
        if not storage.manifests.exists(repository, child):
            yield child
