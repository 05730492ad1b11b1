"""What every request passes: identification of the request, the right it needs, and the headers of every answer."""

from __future__ import annotations

import logging
import re
import secrets
import time
from typing import TYPE_CHECKING, Any

from registry_app.auth.identity import ANONYMOUS, Action
from registry_app.errors import ErrorCode, RegistryError
from registry_app.http.bodies import body_of
from registry_app.http.routes import PUBLIC, ROUTES, right_of
from registry_app.oci.digests import Digest
from registry_app.oci.names import Repository, parse_reference

if TYPE_CHECKING:
    from collections.abc import Callable

    from falcon import Request, Response

    from registry_app.auth.authorization import Authorizer
    from registry_app.http.proxies import TrustedProxies

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_ERROR_STATUS = 400
WRITES = {Action.PUSH, Action.DELETE}
READS = {"GET", "HEAD"}

access_log = logging.getLogger("registry.access")


class Gate:
    """Falcon middleware: authorises from the table of routes before any look-up."""

    def __init__(
        self,
        authorizer: Authorizer,
        *,
        proxies: TrustedProxies,
        refuses_writes: Callable[[], bool],
        headers: tuple[tuple[str, str], ...] = (),
        prefix: str = "",
    ) -> None:
        self._authorizer = authorizer
        self._proxies = proxies
        self._refuses_writes = refuses_writes
        self._headers = tuple((name.lower(), value) for name, value in headers)
        self._routes = {prefix + route.template: route for route in ROUTES}
        self._api = f"{prefix}/v2"

    def process_request(self, req: Request, _resp: Response) -> None:
        """Says what this request is: its id, its body, who sent it."""
        context = req.context
        given = req.get_header("X-Request-Id")
        context.request_id = given if given and _REQUEST_ID.fullmatch(given) else new_request_id()
        context.started = time.monotonic()
        context.body = body_of(req)
        context.identity = ANONYMOUS
        context.let_in = False
        context.address = self._proxies.client(req.env.get("REMOTE_ADDR", ""), req.get_header("X-Forwarded-For"))

    def process_resource(self, req: Request, _resp: Response, _resource: object, params: dict[str, Any]) -> None:
        """Asks for the right, then parses what the path names; nothing is looked up before that."""
        right = right_of(self._routes[req.uri_template or ""], req.method)
        if right is PUBLIC or right is None:  # None: the method is not served, and Falcon says so
            parse_params(params, reads=req.method in READS)
            return
        context = req.context
        context.identity = self._authorizer.identify(req.get_header("Authorization"), address=context.address)
        self._authorizer.require(context.identity, right, params.get("repository"))
        context.let_in = True
        parse_params(params, reads=req.method in READS)
        if right in WRITES and req.method not in READS and self._refuses_writes():
            raise RegistryError(ErrorCode.UNSUPPORTED, message="the registry is in read-only mode: pulls go on")

    def process_response(self, req: Request, resp: Response, _resource: object, _succeeded: bool) -> None:  # noqa: FBT001
        """Adds the headers that every answer carries, and writes the line of the access log."""
        if _status(resp) >= _ERROR_STATUS:
            req.context.body.drain()
        resp.set_header("X-Request-Id", req.context.request_id)
        if req.path.startswith(self._api):
            resp.set_header("Docker-Distribution-API-Version", "registry/2.0")
        if self._headers:
            own = resp.headers  # as upstream: what an answer says by itself stands, and is not said twice
            for name, value in self._headers:
                if name not in own:
                    resp.append_header(name, value)
        if access_log.isEnabledFor(logging.INFO):
            self._log(req, resp)

    def _log(self, req: Request, resp: Response) -> None:
        fields = {
            "request_id": req.context.request_id,
            "client": req.context.address,
            "user": req.context.identity.name or "-",
            "method": req.method,
            "path": req.path,
            "status": _status(resp),
            "milliseconds": round((time.monotonic() - req.context.started) * 1000, 1),
            "agent": (req.user_agent or "-")[:200],
        }
        access_log.info("request", extra=fields)


def new_request_id() -> str:
    """By which an answer and its line in the log find each other."""
    return secrets.token_hex(8)


def parse_params(params: dict[str, Any], *, reads: bool) -> None:
    """Turns the texts of a path into values. Raises NAME_INVALID, TAG_INVALID or DIGEST_INVALID.

    Who reads a tag that no manifest can have is told that there is none: clients expect 404 then.
    """
    if "repository" in params:
        params["repository"] = Repository.parse(params["repository"])
    if "digest" in params:
        params["digest"] = Digest.parse(params["digest"])
    if "reference" in params:
        try:
            params["reference"] = parse_reference(params["reference"])
        except RegistryError as error:
            if reads and error.code is ErrorCode.TAG_INVALID:
                raise RegistryError(ErrorCode.MANIFEST_UNKNOWN) from None
            raise


def _status(resp: Response) -> int:
    return int(str(resp.status)[:3])
