"""`/v2/<name>/blobs/<digest>`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry_app.errors import ErrorCode, RegistryError
from registry_app.http.conditions import is_known
from registry_app.http.sending import describe_blob

if TYPE_CHECKING:
    from falcon import Request, Response

    from registry_app.http.sending import BlobSender
    from registry_app.oci.digests import Digest
    from registry_app.oci.names import Repository
    from registry_app.storage.blobs import Blobs


class BlobResource:
    """Reading and deleting blobs."""

    def __init__(self, blobs: Blobs, sender: BlobSender, *, delete_enabled: bool) -> None:
        self._blobs = blobs
        self._sender = sender
        self._delete_enabled = delete_enabled

    def on_get(self, req: Request, resp: Response, repository: Repository, digest: Digest) -> None:
        """The bytes (end-2)."""
        blob = self._blobs.stat(repository, digest)
        self._sender.send(req, resp, digest=digest, size=blob.size, path=blob.path)

    def on_head(self, req: Request, resp: Response, repository: Repository, digest: Digest) -> None:
        """Whether it is here, and its size (end-2)."""
        blob = self._blobs.stat(repository, digest)
        describe_blob(resp, digest)
        if is_known(req.get_header("If-None-Match"), str(digest)):
            resp.status = 304
            return
        resp.set_header("Content-Length", str(blob.size))

    def on_delete(self, _req: Request, resp: Response, repository: Repository, digest: Digest) -> None:
        """Takes it out of this repository (end-10)."""
        if not self._delete_enabled:
            raise RegistryError(ErrorCode.UNSUPPORTED, message="deletes are disabled: set storage.delete.enabled")
        self._blobs.delete(repository, digest)
        resp.status = 202
        resp.set_header("Docker-Content-Digest", str(digest))
