"""What a manifest refers to, looked for in the repository that is to have it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from registry_app.errors import ErrorCode, RegistryError
from registry_app.oci.manifests import LARGEST_MANIFEST
from registry_app.oci.references import References, parse_references
from registry_app.storage.links import has_link

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from registry_app.oci.descriptors import Descriptor
    from registry_app.oci.digests import Digest
    from registry_app.oci.manifests import Manifest
    from registry_app.oci.names import Repository
    from registry_app.storage.blobs import Contents
    from registry_app.storage.files import Files
    from registry_app.storage.layout import Layout
    from registry_app.storage.trash import Trash

# Upstream has no limit for what it reads; what it stored under an older limit is served.
LARGEST_STORED = 4 * LARGEST_MANIFEST
MOST_LEVELS = 64
"""Indexes in indexes: so many that nobody needs more, and few enough to read them all at each push."""


class Needs:
    """Finds what manifests need, and renews its lease."""

    def __init__(self, layout: Layout, files: Files, contents: Contents, *, trash: Trash) -> None:
        self._layout = layout
        self._files = files
        self._contents = contents
        self._trash = trash

    def inside(self, children: Iterable[Descriptor]) -> dict[Digest, References]:
        """What the manifests in an index refer to, down to the last: all of it must be there, and stay.

        Raises MANIFEST_INVALID where they are nested deeper than `MOST_LEVELS`.
        """
        found: dict[Digest, References] = {}
        level = {child.digest for child in children}
        for _ in range(MOST_LEVELS):
            for digest in level:
                # What is no manifest is skipped; whether that matters is told by whoever refers to it.
                with suppress(FileNotFoundError, ValueError):
                    found[digest] = parse_references(self._contents.read(digest, limit=LARGEST_STORED)[0])
            level = {child for one in level if one in found for child in found[one].children} - found.keys()
            if not level:
                return found
        reason = f"manifests are nested in more than {MOST_LEVELS} levels of indexes"
        raise RegistryError(ErrorCode.MANIFEST_INVALID, reason=reason)

    def missing(self, repository: Repository, manifest: Manifest, inner: Mapping[Digest, References]) -> list[str]:
        """What a manifest refers to and the repository lacks; the lease of the rest is renewed."""
        # Each once, however often it is named.
        blobs, children = dict.fromkeys(manifest.blobs), dict.fromkeys(manifest.children)
        missing = [one for one in blobs if not one.lies_elsewhere and not self._has_blob(repository, one)]
        missing += [one for one in children if not self._has_child(repository, one, inner)]
        gone = [str(one.digest) for one in missing]
        if gone or not inner:
            return gone
        return [str(digest) for digest in _digests_inside(inner) if not self._take_back(repository, digest, inner)]

    def _has_blob(self, repository: Repository, wanted: Descriptor) -> bool:
        return self._has(self._layout.layer(repository, wanted.digest), wanted)

    def _has_child(self, repository: Repository, wanted: Descriptor, inner: Mapping[Digest, References]) -> bool:
        if not self._has(self._layout.revision(repository, wanted.digest), wanted):
            return False
        if wanted.digest in inner:
            require_type(wanted, inner[wanted.digest])
        return True

    def _take_back(self, repository: Repository, digest: Digest, inner: Mapping[Digest, References]) -> bool:
        """Keeps what a child refers to; False only if a collection took it and nobody has it any more.

        What the repository never had, or somebody deleted, does not keep an index from being pushed.
        """
        path = self._layout.revision if digest in inner else self._layout.layer
        link = path(repository, digest)
        if has_link(self._files, link, digest) or self._trash.take_back(link):
            self._contents.renew_lease(link)
            found = self._contents.find(digest)
            if found is None:
                return False
            self._contents.renew_lease(found.path)
        return True

    def _has(self, link: Path, wanted: Descriptor) -> bool:
        if not has_link(self._files, link, wanted.digest) and not self._trash.take_back(link):
            return False
        found = self._contents.find(wanted.digest)
        if found is None:
            return False
        require_size(wanted, found.size)
        self._contents.renew_lease(link)
        self._contents.renew_lease(found.path)
        return True


def require_size(wanted: Descriptor, size: int) -> None:
    """Raises MANIFEST_INVALID if a descriptor tells another size than what it describes has."""
    if size != wanted.size:
        reason = f"{wanted.digest} has {size} bytes, the manifest says {wanted.size}"
        raise RegistryError(ErrorCode.MANIFEST_INVALID, reason=reason)


def require_type(wanted: Descriptor, found: References) -> None:
    """Raises MANIFEST_INVALID if a descriptor calls a manifest what it is not."""
    if not found.may_be(wanted.media_type):
        reason = f"{wanted.digest} is of the type {found.media_type[:200]}, the manifest says {wanted.media_type}"
        raise RegistryError(ErrorCode.MANIFEST_INVALID, reason=reason)


def digests_used(manifest: Manifest, inner: Mapping[Digest, References]) -> set[Digest]:
    """Everything that a manifest refers to, directly or through its children."""
    direct = (one.digest for one in (*manifest.blobs, *manifest.children))
    return {*direct, *_digests_inside(inner)}


def _digests_inside(inner: Mapping[Digest, References]) -> set[Digest]:
    return {digest for one in inner.values() for digest in (*one.blobs, *one.children)}
