"""Every error of the registry's API: wire code, HTTP status and default message in one table."""

from __future__ import annotations

from enum import Enum
from typing import Any


class ErrorCode(Enum):
    """An error code of the OCI Distribution Specification 1.1 (section "Error Codes") or of distribution's API.

    The member's name is the code on the wire; its value is (HTTP status, default message).
    """

    BLOB_UNKNOWN = 404, "blob unknown to registry"
    BLOB_UPLOAD_INVALID = 400, "blob upload invalid"
    BLOB_UPLOAD_UNKNOWN = 404, "blob upload unknown to registry"
    DIGEST_INVALID = 400, "provided digest did not match uploaded content"
    MANIFEST_BLOB_UNKNOWN = 404, "manifest references a manifest or blob unknown to registry"
    MANIFEST_INVALID = 400, "manifest invalid"
    MANIFEST_UNKNOWN = 404, "manifest unknown to registry"
    NAME_INVALID = 400, "invalid repository name"
    NAME_UNKNOWN = 404, "repository name not known to registry"
    PAGINATION_NUMBER_INVALID = 400, "invalid number of results requested"
    RANGE_INVALID = 416, "invalid content range"
    SIZE_INVALID = 400, "provided length did not match content length"
    TAG_INVALID = 400, "manifest tag did not match the grammar of tags"
    UNAUTHORIZED = 401, "authentication required"
    DENIED = 403, "requested access to the resource is denied"
    UNSUPPORTED = 405, "the operation is unsupported"
    TOOMANYREQUESTS = 429, "too many requests"
    BAD_REQUEST = 400, "the request is malformed"
    NOT_FOUND = 404, "no such endpoint"
    MANIFEST_TOO_LARGE = 413, "manifest is larger than the registry accepts"
    URI_TOO_LONG = 414, "the address is longer than the registry accepts"
    EXPECTATION_UNKNOWN = 417, "the registry meets no expectation but 100-continue"
    HEADERS_TOO_LARGE = 431, "the headers are larger or more than the registry accepts"
    CODING_UNKNOWN = 501, "the registry knows no transfer coding but chunked"
    UNAVAILABLE = 503, "service unavailable, try again later"
    STORAGE_FULL = 507, "the registry has no space left for uploads"
    UNKNOWN = 500, "unknown error"

    @property
    def status(self) -> int:
        """HTTP status of the response."""
        return self.value[0]

    @property
    def message(self) -> str:
        """Default text for people."""
        return self.value[1]


class RegistryError(Exception):
    """A request that can't be served; becomes an OCI error body in one place (`registry_app.http.errors`).

    `detail` is shown to the client: it must never hold a path of the server, a secret, or the existence of
    something that the caller may not read. `headers` are added to the response (for example Retry-After, Range).
    """

    def __init__(
        self,
        code: ErrorCode,
        *,
        message: str | None = None,
        headers: dict[str, str] | None = None,
        **detail: Any,
    ) -> None:
        self.code = code
        self.message = message or code.message
        self.headers = headers or {}
        self.detail = detail
        super().__init__(f"{code.name}: {self.message}")
