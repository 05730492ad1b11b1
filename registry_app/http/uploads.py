"""`/v2/<name>/blobs/uploads/`: blob uploads from their start to their end."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from registry_app.auth.identity import Action
from registry_app.errors import ErrorCode, RegistryError
from registry_app.oci.digests import Digest
from registry_app.oci.names import Repository
from registry_app.oci.ranges import parse_content_range

if TYPE_CHECKING:
    from falcon import Request, Response

    from registry_app.auth.authorization import Authorizer
    from registry_app.http.locations import Locations
    from registry_app.http.upload_state import UploadSigner
    from registry_app.storage import Storage
    from registry_app.storage.uploads import Upload, Uploads


class UploadAnswers:
    """The headers of answers about uploads."""

    def __init__(self, locations: Locations, signer: UploadSigner) -> None:
        self._locations = locations
        self._signer = signer

    def headers(self, req: Request, repository: Repository, upload: Upload) -> dict[str, str]:
        """Where the upload is and how far it came; `Range` counts from 0 and is `0-0` for an empty one too."""
        state = self._signer.sign(repository, upload.id)
        return {
            "Location": self._locations.upload(req, repository, upload.id, state),
            "Docker-Upload-UUID": upload.id,
            "Range": f"0-{max(0, upload.offset - 1)}",
        }

    def created(self, req: Request, resp: Response, repository: Repository, digest: Digest) -> None:
        """201 for a blob that is now in the repository."""
        resp.status = 201
        resp.set_header("Location", self._locations.blob(req, repository, digest))
        resp.set_header("Docker-Content-Digest", str(digest))

    def check(self, req: Request, repository: Repository, upload: str) -> None:
        """Raises BLOB_UPLOAD_UNKNOWN for an address that we did not give out."""
        if not self._signer.verifies(req.get_param("_state"), repository, upload):
            raise RegistryError(ErrorCode.BLOB_UPLOAD_UNKNOWN)


class UploadsResource:
    """Starting: an upload, a whole blob in one request, or a mount from another repository."""

    def __init__(self, storage: Storage, authorizer: Authorizer, answers: UploadAnswers) -> None:
        self._storage = storage
        self._uploads = storage.uploads
        self._authorizer = authorizer
        self._answers = answers

    def on_post(self, req: Request, resp: Response, repository: Repository) -> None:
        """202 with an address to send bytes to, or 201 where the blob is there already (end-4, end-11)."""
        mount, whole = req.get_param("mount"), req.get_param("digest")
        if mount is not None and self._mount(req, repository, Digest.parse(mount)):
            self._answers.created(req, resp, repository, Digest.parse(mount))
        elif whole is not None and mount is None:
            self._put_whole(req, repository, Digest.parse(whole))
            self._answers.created(req, resp, repository, Digest.parse(whole))
        else:
            algorithm = req.get_param("digest-algorithm") or "sha256"
            upload = self._uploads.start(repository, req.context.identity.name, algorithm=algorithm)
            req.context.body.drain()
            resp.status = 202
            resp.set_headers(self._answers.headers(req, repository, upload))

    def _mount(self, req: Request, repository: Repository, digest: Digest) -> bool:
        """Whether the blob could be mounted; a source that the caller may not read counts as one without the blob."""
        named = req.get_param("from")
        sources = [Repository.parse(named)] if named else self._storage.repositories.all()
        identity = req.context.identity
        readable = (source for source in sources if self._authorizer.may(identity, Action.PULL, str(source)))
        try:
            self._storage.blobs.mount(repository, digest, readable)
        except RegistryError as error:
            if error.code is ErrorCode.BLOB_UNKNOWN:
                return False
            raise
        return True

    def _put_whole(self, req: Request, repository: Repository, digest: Digest) -> None:
        owner, body = req.context.identity.name, req.context.body
        upload = self._uploads.start(repository, owner, algorithm=digest.algorithm)
        try:
            self._uploads.finish(repository, upload.id, digest, body, owner=owner, length=body.length)
        except RegistryError:
            # Nobody was told the upload's address: nobody can go on with it.
            with suppress(RegistryError):
                self._uploads.cancel(repository, upload.id, owner)
            raise


class UploadResource:
    """One upload: its state, its next bytes, its end."""

    def __init__(self, uploads: Uploads, answers: UploadAnswers) -> None:
        self._uploads = uploads
        self._answers = answers

    def on_get(self, req: Request, resp: Response, repository: Repository, upload: str) -> None:
        """How far it came (end-13)."""
        self._answers.check(req, repository, upload)
        found = self._uploads.stat(repository, upload, owner=req.context.identity.name)
        resp.status = 204
        resp.set_headers(self._answers.headers(req, repository, found))

    def on_patch(self, req: Request, resp: Response, repository: Repository, upload: str) -> None:
        """The next bytes (end-5)."""
        self._answers.check(req, repository, upload)
        owner, body = req.context.identity.name, req.context.body
        try:
            offset, length = _span(req)
            grown = self._uploads.append(repository, upload, body, owner=owner, offset=offset, length=length)
        except RegistryError as error:
            raise self._located(req, repository, upload, error) from None
        resp.status = 202
        resp.set_headers(self._answers.headers(req, repository, grown))

    def on_put(self, req: Request, resp: Response, repository: Repository, upload: str) -> None:
        """The last bytes, if any, and the digest of the whole (end-6)."""
        self._answers.check(req, repository, upload)
        digest = Digest.parse(req.get_param("digest") or "")
        owner, body = req.context.identity.name, req.context.body
        try:
            offset, length = _span(req)
            self._uploads.finish(repository, upload, digest, body, owner=owner, offset=offset, length=length)
        except RegistryError as error:
            raise self._located(req, repository, upload, error) from None
        self._answers.created(req, resp, repository, digest)

    def on_delete(self, req: Request, resp: Response, repository: Repository, upload: str) -> None:
        """The end of it (end-14)."""
        self._answers.check(req, repository, upload)
        self._uploads.cancel(repository, upload, req.context.identity.name)
        resp.status = 204
        resp.set_header("Docker-Upload-UUID", upload)

    def _located(self, req: Request, repository: Repository, upload: str, error: RegistryError) -> RegistryError:
        """Tells a client whose range was wrong where the upload stands."""
        if error.code is ErrorCode.RANGE_INVALID:
            found = self._uploads.stat(repository, upload, owner=req.context.identity.name)
            error.headers = {**error.headers, **self._answers.headers(req, repository, found)}
        return error


def _span(req: Request) -> tuple[int | None, int | None]:
    """Where the body belongs, and its length, by Content-Range or else Content-Length; None for what neither says.

    Raises RANGE_INVALID, or SIZE_INVALID where the two differ.
    """
    header, length = req.get_header("Content-Range"), req.context.body.length
    if header is None:
        return None, length
    chunk = parse_content_range(header)
    if length is not None and length != chunk.length:
        raise RegistryError(ErrorCode.SIZE_INVALID, message="Content-Range and Content-Length differ")
    return chunk.start, chunk.length
