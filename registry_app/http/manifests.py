"""`/v2/<name>/manifests/<reference>`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry_app.errors import ErrorCode, RegistryError
from registry_app.http.bodies import BodyCutError
from registry_app.http.conditions import etag_of, is_known
from registry_app.oci.digests import Digest
from registry_app.oci.manifests import LARGEST_MANIFEST, parse_manifest
from registry_app.oci.names import Tag

if TYPE_CHECKING:
    from falcon import Request, Response

    from registry_app.http.bodies import RequestBody
    from registry_app.http.locations import Locations
    from registry_app.oci.names import Reference, Repository
    from registry_app.storage import Storage


class ManifestResource:
    """Reading, pushing and deleting manifests and tags."""

    def __init__(self, storage: Storage, locations: Locations, *, delete_enabled: bool, sparse: bool) -> None:
        self._manifests = storage.manifests
        self._locations = locations
        self._delete_enabled = delete_enabled
        self._sparse = sparse

    def on_get(self, req: Request, resp: Response, repository: Repository, reference: Reference) -> None:
        """The stored bytes, whatever Accept says: a client that can't read them finds out by itself (end-3)."""
        stored = self._manifests.get(repository, reference)
        if not _describe(req, resp, stored.digest, stored.media_type):
            resp.data = stored.body

    def on_head(self, req: Request, resp: Response, repository: Repository, reference: Reference) -> None:
        """Digest, type and size (end-3)."""
        stored = self._manifests.stat(repository, reference)
        if not _describe(req, resp, stored.digest, stored.media_type):
            resp.set_header("Content-Length", str(stored.size))

    def on_put(self, req: Request, resp: Response, repository: Repository, reference: Reference) -> None:
        """Stores a manifest under its digest and the tags it is to have (end-7)."""
        body = read_manifest(req.context.body)
        manifest = parse_manifest(body, req.content_type)
        tags = tags_of(req) if isinstance(reference, Digest) else ()
        digest = self._manifests.put(repository, reference, manifest, tags=tags, sparse=self._sparse)
        resp.status = 201
        resp.set_header("Location", self._locations.manifest(req, repository, digest))
        resp.set_header("Docker-Content-Digest", str(digest))
        if manifest.subject is not None:
            resp.set_header("OCI-Subject", str(manifest.subject.digest))
        if tags:
            resp.set_header("OCI-Tag", ", ".join(map(str, tags)))

    def on_delete(self, _req: Request, resp: Response, repository: Repository, reference: Reference) -> None:
        """Removes a tag, or a manifest with every tag that points at it (end-9)."""
        if not self._delete_enabled:
            raise RegistryError(ErrorCode.UNSUPPORTED, message="deletes are disabled: set storage.delete.enabled")
        digest = self._manifests.delete(repository, reference)
        resp.status = 202
        if digest is not None:  # by which the audit log tells what a tag named
            resp.set_header("Docker-Content-Digest", str(digest))


def read_manifest(body: RequestBody) -> bytes:
    """The whole body. Raises MANIFEST_TOO_LARGE above 4 MiB, as soon as that is known; MANIFEST_INVALID if cut."""
    if (body.length or 0) > LARGEST_MANIFEST:
        raise RegistryError(ErrorCode.MANIFEST_TOO_LARGE)
    pieces, size = [], 0
    try:
        while piece := body.read():
            size += len(piece)
            if size > LARGEST_MANIFEST:
                raise RegistryError(ErrorCode.MANIFEST_TOO_LARGE)
            pieces.append(piece)
    except BodyCutError as error:
        raise RegistryError(ErrorCode.MANIFEST_INVALID, reason=error.message) from error
    return b"".join(pieces)


def tags_of(req: Request) -> tuple[Tag, ...]:
    """The tags that a push by digest asks for, each once. Raises TAG_INVALID."""
    return tuple(Tag.parse(text) for text in dict.fromkeys(req.get_param_as_list("tag") or ()))


def _describe(req: Request, resp: Response, digest: Digest, media_type: str) -> bool:
    """Sets the headers of a manifest; True where the client has it already (304)."""
    resp.content_type = media_type
    resp.set_header("Docker-Content-Digest", str(digest))
    resp.set_header("ETag", etag_of(str(digest)))
    known = is_known(req.get_header("If-None-Match"), str(digest))
    resp.status = 304 if known else 200
    return known
