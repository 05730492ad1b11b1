"""The one place where an error becomes a response: the OCI error body."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import falcon

from registry_app.errors import ErrorCode, RegistryError
from registry_app.storage.failures import told

if TYPE_CHECKING:
    from falcon import App, Request, Response

log = logging.getLogger("registry.errors")

_BY_STATUS = {
    400: ErrorCode.BAD_REQUEST,
    404: ErrorCode.NOT_FOUND,
    405: ErrorCode.UNSUPPORTED,
    413: ErrorCode.MANIFEST_TOO_LARGE,
    416: ErrorCode.RANGE_INVALID,
}


def install_error_handlers(app: App[Request, Response]) -> None:
    """Makes every error of this application, Falcon's own included, an OCI error body."""
    app.add_error_handler(Exception, _unexpected)
    app.add_error_handler(falcon.HTTPError, _of_falcon)
    app.add_error_handler(RegistryError, _of_registry)
    app.add_error_handler(OSError, _of_storage)
    app.add_error_handler(ConnectionError, _client_left)


def error_body(error: RegistryError) -> bytes:
    """JSON of an error (OCI Distribution Specification, "Error Codes")."""
    entry: dict[str, Any] = {"code": error.code.name, "message": error.message}
    if error.detail:
        entry["detail"] = error.detail
    return json.dumps({"errors": [entry]}, default=str).encode()


def write_error(resp: Response, error: RegistryError) -> None:
    """Fills a response with an error."""
    resp.status = error.code.status
    resp.content_type = "application/json"
    resp.data = error_body(error)
    resp.stream = None
    for name, value in error.headers.items():
        resp.set_header(name, value)


def _of_registry(_req: Request, resp: Response, error: RegistryError, _params: dict[str, Any]) -> None:
    write_error(resp, error)


def _of_storage(_req: Request, resp: Response, error: OSError, _params: dict[str, Any]) -> None:
    write_error(resp, told(error))


def _of_falcon(_req: Request, resp: Response, error: falcon.HTTPError, _params: dict[str, Any]) -> None:
    code = _BY_STATUS.get(error.status_code, ErrorCode.BAD_REQUEST)
    headers = dict(error.headers or {})
    message = None if error.status_code in _BY_STATUS else error.title
    write_error(resp, RegistryError(code, message=message, headers=headers))


def _client_left(req: Request, resp: Response, error: ConnectionError, _params: dict[str, Any]) -> None:
    # Nobody reads this answer, but what arrived of the body may be all that there is: it must not count as success.
    log.info("client left: %s", error, extra={"request_id": req.context.get("request_id")})
    write_error(resp, RegistryError(ErrorCode.BAD_REQUEST, message="the body of the request ended early"))


def _unexpected(req: Request, resp: Response, error: Exception, _params: dict[str, Any]) -> None:
    request_id = req.context.get("request_id")
    log.error("unexpected error in %s", req.method, exc_info=error, extra={"request_id": request_id})
    write_error(resp, RegistryError(ErrorCode.UNKNOWN, request_id=request_id))
