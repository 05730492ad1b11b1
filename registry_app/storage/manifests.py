"""Manifests of repositories: revisions, and the order in which a push becomes visible and durable."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from registry_app.errors import ErrorCode, RegistryError
from registry_app.oci.digests import CANONICAL, Digest
from registry_app.oci.references import parse_references
from registry_app.storage.failures import failures_told
from registry_app.storage.links import has_link, linked_digests, remembered_links, write_link
from registry_app.storage.needs import LARGEST_STORED, Needs, digests_used, require_size, require_type
from registry_app.storage.remembered import Found, Remembered

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

    from registry_app.oci.descriptors import Descriptor
    from registry_app.oci.manifests import Manifest
    from registry_app.oci.names import Reference, Repository, Tag
    from registry_app.storage.blobs import Contents
    from registry_app.storage.epochs import Epochs
    from registry_app.storage.files import Files
    from registry_app.storage.layout import Layout
    from registry_app.storage.locks import Locks
    from registry_app.storage.space import Space
    from registry_app.storage.tags import Tags
    from registry_app.storage.trash import Trash

log = logging.getLogger("registry.storage")
# Together at most 32 MiB in each process; nearly all manifests are a kilobyte or two.
_MOST_REMEMBERED = 2048
_LARGEST_REMEMBERED = 16 * 1024
_TRIES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredManifest:
    """A manifest as it was pushed, byte for byte."""

    digest: Digest
    media_type: str
    body: bytes = field(repr=False)

    @property
    def size(self) -> int:
        """Length of the body in bytes."""
        return len(self.body)


class Manifests:
    """The manifests of repositories."""

    def __init__(
        self,
        layout: Layout,
        files: Files,
        contents: Contents,
        *,
        tags: Tags,
        locks: Locks,
        epochs: Epochs,
        trash: Trash,
        space: Space,
    ) -> None:
        self._layout = layout
        self._files = files
        self._contents = contents
        self._tags = tags
        self._locks = locks
        self._epochs = epochs
        self._trash = trash
        self._space = space
        self._needs = Needs(layout, files, contents, trash=trash)
        self._revisions = remembered_links(files, layout.revision)
        self._stored = Remembered(self._read_stored, most=_MOST_REMEMBERED)

    def get(self, repository: Repository, reference: Reference) -> StoredManifest:
        """The manifest of a tag or digest, checked against its digest; raises MANIFEST_UNKNOWN."""
        with failures_told():
            if isinstance(reference, Digest):
                found = self._read(repository, reference)
            else:
                found = self._get_tagged(repository, reference)
            if found is None:
                raise RegistryError(ErrorCode.MANIFEST_UNKNOWN, reference=str(reference))
            return found

    def stat(self, repository: Repository, reference: Reference) -> StoredManifest:
        """As `get`: a manifest is small, and its type stands in it."""
        return self.get(repository, reference)

    def exists(self, repository: Repository, digest: Digest) -> bool:
        """Whether the repository has this manifest, without reading it."""
        return (
            has_link(self._files, self._layout.revision(repository, digest), digest)
            and self._contents.find(digest) is not None
        )

    def content(self, digest: Digest) -> bytes:
        """A manifest, whoever links it; raises FileNotFoundError, or ValueError if it is damaged."""
        return self._read_checked(digest)[0]

    def put(
        self,
        repository: Repository,
        reference: Reference,
        manifest: Manifest,
        *,
        tags: Iterable[Tag] = (),
        sparse: bool = False,
    ) -> Digest:
        """The digest of the manifest, which is durable with all its tags when this returns.

        Raises DIGEST_INVALID if `reference` is another digest, MANIFEST_BLOB_UNKNOWN if the repository lacks what the
        manifest refers to (which `sparse` allows), MANIFEST_INVALID if a size or type is wrong, STORAGE_FULL,
        UNAVAILABLE if a collection takes its children each time.
        """
        digest = Digest.of(manifest.body, reference.algorithm if isinstance(reference, Digest) else CANONICAL)
        if isinstance(reference, Digest) and digest != reference:
            raise RegistryError(ErrorCode.DIGEST_INVALID, digest=str(reference))
        names = sorted({*tags} if isinstance(reference, Digest) else {reference, *tags})
        with failures_told():
            self._space.require_room(len(manifest.body))
            for _ in range(_TRIES):
                inner = self._needs.inside(manifest.children)
                used = {digest, *digests_used(manifest, inner)}
                with self._locks.using(repository, used), self._epochs.referring_to(used):
                    self._check_subject(repository, manifest.subject)
                    missing = self._needs.missing(repository, manifest, inner)
                    if missing and not sparse:
                        raise RegistryError(ErrorCode.MANIFEST_BLOB_UNKNOWN, digests=missing[:20])
                    # A collection may have had a child while it was read: what that needs is neither locked nor kept.
                    if self._needs.inside(manifest.children).keys() <= inner.keys():
                        self._store(repository, manifest.body, digest, names)
                        return digest
        raise RegistryError(ErrorCode.UNAVAILABLE, message="a collection is in the way", headers={"Retry-After": "1"})

    def _store(self, repository: Repository, body: bytes, digest: Digest, tags: Iterable[Tag]) -> None:
        self._contents.store(body, digest)
        link = self._layout.revision(repository, digest)
        write_link(self._files, link, digest)
        self._contents.renew_lease(link)
        for tag in tags:
            self._tags.point(repository, tag, digest)

    def delete(self, repository: Repository, reference: Reference) -> Digest | None:
        """Removes a tag, or a manifest and the tags that name it, durably; raises MANIFEST_UNKNOWN.

        The digest that was named is given back, None for a tag that was damaged.
        """
        if not isinstance(reference, Digest):
            return self._tags.delete(repository, reference)
        self._delete(repository, reference)
        return reference

    def _delete(self, repository: Repository, digest: Digest) -> None:
        with failures_told(), self._locks.removing(repository, digest):
            link = self._layout.revision(repository, digest)
            self._trash.forget(link)
            if not has_link(self._files, link, digest):
                raise RegistryError(ErrorCode.MANIFEST_UNKNOWN, reference=str(digest))
            self._tags.delete_those_of(repository, digest)
            self._files.remove(link)

    def digests(self, repository: Repository) -> Iterator[Digest]:
        """Every manifest that the repository may have, in no order."""
        return linked_digests(self._files, self._layout.revisions(repository))

    def _get_tagged(self, repository: Repository, tag: Tag) -> StoredManifest | None:
        named = self._tags.find(repository, tag)
        while named:
            found = self._read(repository, named)
            # The tag may have moved, and the manifest it named may have been deleted, between the two looks.
            now = None if found else self._tags.find(repository, tag)
            if found or now == named:
                return found
            named = now
        return None

    def _read(self, repository: Repository, digest: Digest) -> StoredManifest | None:
        if self._revisions.get((repository, digest)).value != digest:
            return None
        try:
            return self._stored.get(digest).value
        except FileNotFoundError:
            return None
        except ValueError as error:
            log.error("manifest %s of %s can't be served: %s; push it again to heal it", digest, repository, error)  # noqa: TRY400
            return None

    def _read_stored(self, digest: Digest) -> Found[StoredManifest]:
        """A manifest whose content is that of its digest; ValueError otherwise."""
        body, file = self._read_checked(digest)
        stored = StoredManifest(digest=digest, media_type=parse_references(body).media_type, body=body)
        return Found(stored, self._layout.blob(digest), file, keep=len(body) <= _LARGEST_REMEMBERED)

    def _read_checked(self, digest: Digest) -> tuple[bytes, os.stat_result]:
        body, file = self._contents.read(digest, limit=LARGEST_STORED)
        if Digest.of(body, digest.algorithm) != digest:
            raise ValueError("the content does not match its digest")
        return body, file

    def _check_subject(self, repository: Repository, wanted: Descriptor | None) -> None:
        """A subject may come later or never; what is there must be as it is described."""
        found = self._read(repository, wanted.digest) if wanted else None
        if wanted and found:
            require_size(wanted, found.size)
            require_type(wanted, parse_references(found.body))
