"""Referrers: the manifests of a repository whose subject is a given one."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from registry_app.errors import RegistryError
from registry_app.oci.names import Tag
from registry_app.oci.references import References, parse_references
from registry_app.storage.failures import failures_told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from registry_app.oci.digests import Digest
    from registry_app.oci.names import Repository
    from registry_app.storage.manifests import Manifests

_MOST_REMEMBERED = 50_000


class Referrers:
    """Finds referrers in the tree; what a digest says never changes, so each manifest is read once."""

    def __init__(self, manifests: Manifests) -> None:
        self._manifests = manifests
        self._subjects: OrderedDict[Digest, Digest | None] = OrderedDict()

    def list(
        self, repository: Repository, subject: Digest, *, artifact_type: str | None = None
    ) -> list[dict[str, Any]]:
        """Descriptors of a manifest's referrers, sorted by digest; of one artifact type if that is given.

        The manifest need not exist. In JSON's terms, as "Listing Referrers" of the specification wants them.
        """
        with failures_told():
            found = {one["digest"]: one for one in self._of_fallback_tag(repository, subject)}
            found |= {one["digest"]: one for one in self._of_revisions(repository, subject)}
            wanted = (one for one in found.values() if artifact_type in (None, one.get("artifactType")))
            return sorted(wanted, key=lambda one: str(one["digest"]))

    def _of_revisions(self, repository: Repository, subject: Digest) -> Iterator[dict[str, Any]]:
        for digest in self._manifests.digests(repository):
            if self._subjects.get(digest, subject) != subject:
                continue
            referrer = self._read(repository, digest, subject=subject)
            if referrer:
                yield referrer

    def _of_fallback_tag(self, repository: Repository, subject: Digest) -> Iterator[dict[str, Any]]:
        """What clients kept in an index tagged `<algorithm>-<hex>` while a registry had no list of referrers."""
        try:
            tag = Tag.parse(f"{subject.algorithm}-{subject.hex}"[:128])
            children = parse_references(self._manifests.get(repository, tag).body).children
        except (RegistryError, ValueError):
            return
        for digest in children:
            referrer = self._read(repository, digest)
            if referrer:
                yield referrer

    def _read(self, repository: Repository, digest: Digest, *, subject: Digest | None = None) -> dict[str, Any] | None:
        """The manifest as a referrer, if the repository has it; only if its subject is `subject`, where given."""
        try:
            body = self._manifests.get(repository, digest).body
            references = parse_references(body)
        except (RegistryError, ValueError):
            return None
        self._remember(digest, references)
        if subject is not None and references.subject != subject:
            return None
        described: dict[str, Any] = {
            "mediaType": references.media_type,
            "digest": str(digest),
            "size": len(body),
            "artifactType": references.artifact_type,
            "annotations": dict(references.annotations),
        }
        return {key: value for key, value in described.items() if value or key == "size"}

    def _remember(self, digest: Digest, references: References) -> None:
        self._subjects[digest] = references.subject
        while len(self._subjects) > _MOST_REMEMBERED:
            self._subjects.popitem(last=False)
