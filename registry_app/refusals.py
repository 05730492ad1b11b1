"""What a client is told whose request was none, so that the application never saw it: an OCI error, too. Pure."""

from __future__ import annotations

import re
from http import HTTPStatus

from gunicorn.http.errors import (
    ExpectationFailed,
    InvalidHeader,
    InvalidHeaderName,
    InvalidHTTPVersion,
    InvalidRequestLine,
    InvalidRequestMethod,
    InvalidResponseHeader,
    InvalidResponseHeaderName,
    LimitRequestHeaders,
    LimitRequestLine,
    ObsoleteFolding,
    ParseException,
    UnsupportedTransferCoding,
)

from registry_app.errors import ErrorCode, RegistryError
from registry_app.http.errors import error_body

# Nothing of the request is quoted: a mistyped login may stand anywhere in it.
_TOLD: dict[type[Exception], tuple[ErrorCode, str | None]] = {
    LimitRequestLine: (ErrorCode.URI_TOO_LONG, None),
    LimitRequestHeaders: (ErrorCode.HEADERS_TOO_LARGE, None),
    UnsupportedTransferCoding: (ErrorCode.CODING_UNKNOWN, None),
    ExpectationFailed: (ErrorCode.EXPECTATION_UNKNOWN, None),
    InvalidRequestLine: (ErrorCode.BAD_REQUEST, "the request line is malformed"),
    InvalidRequestMethod: (ErrorCode.BAD_REQUEST, "the method of the request is malformed"),
    InvalidHTTPVersion: (ErrorCode.BAD_REQUEST, "the request is not HTTP/1.0 or HTTP/1.1"),
    InvalidHeader: (ErrorCode.BAD_REQUEST, "a header is malformed, stands twice, or contradicts another"),
    InvalidHeaderName: (ErrorCode.BAD_REQUEST, "the name of a header is malformed"),
    ObsoleteFolding: (ErrorCode.BAD_REQUEST, "a header goes over more than one line"),
}
# As the gate wants it.
_REQUEST_ID = re.compile(rb"\r\nX-Request-Id:[ \t]*([A-Za-z0-9._-]{8,64})[ \t]*\r\n", re.IGNORECASE)
_OURS = (InvalidResponseHeader, InvalidResponseHeaderName)


def refusal_of(error: Exception) -> RegistryError | None:
    """What is wrong with a request, None where the fault is not its sender's."""
    if not isinstance(error, ParseException) or isinstance(error, _OURS):
        return None
    code, message = _TOLD.get(type(error), (ErrorCode.BAD_REQUEST, None))
    return RegistryError(code, message=message)


def given_id(head: bytes) -> str | None:
    """The id that a gateway gave what is no request, by which the gateway's own line in the log is found."""
    found = _REQUEST_ID.search(head)
    return found[1].decode() if found else None


def answer_of(error: RegistryError, request_id: str) -> bytes:
    """The whole answer of HTTP/1.1, after which the connection closes."""
    body = error_body(error)
    lines = [
        f"HTTP/1.1 {error.code.status} {HTTPStatus(error.code.status).phrase}",
        "Connection: close",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Docker-Distribution-API-Version: registry/2.0",
        f"X-Request-Id: {request_id}",
        "",
        "",
    ]
    return "\r\n".join(lines).encode() + body
