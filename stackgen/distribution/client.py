"""A client of one registry: resolve, read and push blobs and manifests (OCI Distribution Specification 1.1)."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import parse_qsl, urlencode, urlsplit

from registry_app.errors import RegistryError
from registry_app.oci.digests import Digest
from stackgen.distribution.addresses import HUB, Address, is_loopback
from stackgen.distribution.authorization import Authorization
from stackgen.distribution.refusals import refusal
from stackgen.distribution.transport import LineCut, Request, Response, Transport, follow
from stackgen.errors import StackgenError

if TYPE_CHECKING:
    from collections.abc import Callable

    from registry_app.oci.names import Repository
    from stackgen.distribution.blobs import Blob
    from stackgen.distribution.logins import Login

MANIFEST_LIMIT = 4 * 1024 * 1024
MANIFEST_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_OK, _CREATED, _ACCEPTED, _NO_CONTENT, _NOT_FOUND = 200, 201, 202, 204, 404
_UNAUTHORIZED = 401
_PASSING = {429, 500, 502, 503, 504}
# In the middle of an upload: the login ran out, the time did, or the registry saw the line break (distribution: 499).
_CUT = {401, 408, 499}
_ERROR_LIMIT = 64 * 1024
_TRIES = 4


@dataclass(frozen=True, slots=True)
class RemoteManifest:
    """A manifest as the registry stores it; `digest` is computed from `body`, never believed."""

    digest: Digest
    media_type: str
    body: bytes


class RegistryClient:
    """Speaks to one registry host with one login; every failure is a StackgenError with a remedy.

    `sleep` waits between attempts and is given so that tests need not wait.
    """

    def __init__(
        self,
        host: str,
        *,
        transport: Transport,
        login: Login | None = None,
        plain_http: bool = False,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if plain_http and not is_loopback(host):
            raise StackgenError(
                f"--plain-http is refused for {host}: it is not this machine, and the password would cross the line",
                hint="put TLS in front of it; `stackgen init` makes a registry that has it",
            )
        self.host = host
        self._base = f"{'http' if plain_http else 'https'}://{'registry-1.docker.io' if host == HUB else host}"
        self._transport = transport
        self._authorization = Authorization(self._base, transport=transport, login=login)
        self._sleep = sleep

    def resolve(self, address: Address) -> Digest | None:
        """The digest that a tag means now, or None where the registry does not know it."""
        url = self._url(address.repository, "manifests", address.reference)
        request = Request("HEAD", url, {"Accept": ", ".join(MANIFEST_TYPES)})
        response = self._exchange(request, _pull(address.repository))
        if response.status == _NOT_FOUND:
            return None
        self._expect(response, _OK, f"{address.name}:{address.reference}")
        stated = response.headers.get("Docker-Content-Digest")
        try:
            return Digest.parse(stated) if stated else self.read_manifest(address).digest
        except RegistryError as error:
            raise StackgenError(f"{self.host} stated the digest {stated!r}", hint="is this a registry?") from error

    def read_manifest(self, address: Address) -> RemoteManifest:
        """The manifest at an address; raises StackgenError where it is unknown or not what its digest says."""
        url = self._url(address.repository, "manifests", address.reference)
        request = Request("GET", url, {"Accept": ", ".join(MANIFEST_TYPES)})
        response = self._exchange(request, _pull(address.repository), limit=MANIFEST_LIMIT)
        self._expect(response, _OK, str(address))
        digest = Digest.of(response.body, address.digest.algorithm if address.digest else "sha256")
        if address.digest is not None and digest != address.digest:
            raise _forged(str(address), digest)
        return RemoteManifest(digest=digest, media_type=response.headers.get_content_type(), body=response.body)

    def read_blob(self, repository: Repository, digest: Digest, *, size: int) -> bytes:
        """A blob's bytes, checked against its digest and size."""
        request = Request("GET", self._url(repository, "blobs", str(digest)))
        response = self._exchange(request, _pull(repository), limit=max(size, _ERROR_LIMIT))
        self._expect(response, _OK, f"blob {digest} of {self.host}/{repository}")
        found = Digest.of(response.body, digest.algorithm)
        if found != digest or len(response.body) != size:
            raise _forged(f"blob {digest}", found)
        return response.body

    def has_blob(self, repository: Repository, digest: Digest) -> bool:
        """Whether the repository holds a blob."""
        request = Request("HEAD", self._url(repository, "blobs", str(digest)))
        response = self._exchange(request, _push(repository))
        if response.status == _NOT_FOUND:
            return False
        self._expect(response, _OK, f"blob {digest} of {self.host}/{repository}")
        return True

    def push_blob(self, repository: Repository, blob: Blob) -> bool:
        """Make the repository hold a blob; False where it already did. A cut line is taken up where it broke."""
        if self.has_blob(repository, blob.digest):
            return False
        location = self._append(repository, self._start_upload(repository), blob)
        where = urlsplit(location)
        query = urlencode([*parse_qsl(where.query, keep_blank_values=True), ("digest", str(blob.digest))])
        request = Request("PUT", where._replace(query=query).geturl(), body=b"")
        self._expect(self._exchange(request, _push(repository)), _CREATED, f"the upload of {blob.digest}")
        return True

    def push_manifest(self, repository: Repository, reference: str, body: bytes, *, media_type: str) -> Digest:
        """Store a manifest under a tag or its own digest; gives its digest. This is what makes a push visible."""
        request = Request("PUT", self._url(repository, "manifests", reference), {"Content-Type": media_type}, body=body)
        response = self._exchange(request, _push(repository))
        self._expect(response, _CREATED, f"{self.host}/{repository}:{reference}")
        return Digest.of(body)

    def _start_upload(self, repository: Repository) -> str:
        request = Request("POST", self._url(repository, "blobs/uploads", ""), body=b"")
        response = self._exchange(request, _push(repository))
        self._expect(response, _ACCEPTED, f"an upload to {self.host}/{repository}")
        return self._location(response)

    def _append(self, repository: Repository, location: str, blob: Blob) -> str:
        """Send a blob's bytes from wherever the registry has got to; gives the location for the closing PUT."""
        offset = 0
        for attempt in range(_TRIES):
            if attempt:
                self._sleep(2**attempt / 2)
                location, offset = self._upload_status(repository, location)
            if offset >= blob.size:
                return location
            try:
                with blob.open() as source:
                    source.seek(offset)
                    return self._send_rest(repository, location, source, offset=offset, size=blob.size)
            except LineCut:
                continue
        raise StackgenError(
            f"the line to {self.host} broke {_TRIES} times while {blob.digest} was sent",
            hint="run the same command again: what has arrived is not sent twice",
        )

    def _send_rest(self, repository: Repository, location: str, source: BinaryIO, *, offset: int, size: int) -> str:
        headers = {"Content-Type": "application/octet-stream", "Content-Range": f"{offset}-{size - 1}"}
        headers |= self._authorization.header(location, scope=_push(repository))
        request = Request("PATCH", location, headers, body=source, length=size - offset)
        response = self._transport.send(request)
        if response.status in _PASSING | _CUT:
            self._authorization.forget(scope=_push(repository))
            raise LineCut(f"{self.host} answered {response.status}")
        self._expect(response, _ACCEPTED, f"an upload to {self.host}/{repository}")
        return self._location(response)

    def _upload_status(self, repository: Repository, location: str) -> tuple[str, int]:
        """Where to go on and from which byte; a new upload from 0 where the old one is gone or holds nothing."""
        response = self._exchange(Request("GET", location), _push(repository))
        if response.status != _NOT_FOUND:
            self._expect(response, _NO_CONTENT, f"the state of an upload to {self.host}/{repository}")
            first, _, last = (response.headers.get("Range") or "").removeprefix("bytes=").partition("-")
            # `0-0` stands for nothing yet as well as for one byte: beginning anew is right for both.
            if first == "0" and last.isdecimal() and int(last) > 0:
                return self._location(response), int(last) + 1
        return self._start_upload(repository), 0

    def _location(self, response: Response) -> str:
        location = response.headers.get("Location")
        if not location:
            raise StackgenError(f"{self.host} named no place to upload to", hint="is this a registry?")
        return follow(response.url, location)

    def _url(self, repository: Repository, kind: str, reference: str) -> str:
        return f"{self._base}/v2/{repository}/{kind}/{reference}"

    def _exchange(self, request: Request, scope: str, *, limit: int = _ERROR_LIMIT) -> Response:
        """A small request, authenticated on demand; tried again where the line or the server fails in passing."""
        for attempt in range(_TRIES - 1):
            try:
                response = self._transport.send(self._with_login(request, scope), limit=limit)
            except LineCut:
                self._sleep(2**attempt / 2)
                continue
            if response.status == _UNAUTHORIZED and self._authorization.answer(response, scope=scope):
                continue
            if response.status not in _PASSING:
                return response
            self._sleep(_wait(response, attempt))
        try:
            return self._transport.send(self._with_login(request, scope), limit=limit)
        except LineCut as error:
            raise StackgenError(f"the line keeps breaking: {error}", hint="run the same command again") from error

    def _with_login(self, request: Request, scope: str) -> Request:
        return replace(request, headers={**request.headers, **self._authorization.header(request.url, scope=scope)})

    def _expect(self, response: Response, status: int, what: str) -> None:
        if response.status != status:
            raise refusal(response, host=self.host, what=what)


def _wait(response: Response, attempt: int) -> float:
    """Seconds until the next attempt: what Retry-After asks, within reason, else growing."""
    asked = response.headers.get("Retry-After") or ""
    return min(float(asked), 60.0) if asked.isdecimal() else 2**attempt / 2


def _forged(what: str, digest: Digest) -> StackgenError:
    return StackgenError(
        f"what the registry sent for {what} has the digest {digest}",
        hint="the data is damaged or forged: do not use it; try again, and look into that registry",
    )


def _pull(repository: Repository) -> str:
    return f"repository:{repository}:pull"


def _push(repository: Repository) -> str:
    return f"repository:{repository}:pull,push"
