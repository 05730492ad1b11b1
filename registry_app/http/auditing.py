"""Middleware that writes the audit log's line for every write and delete, those that were refused included."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from falcon import Request, Response

    from registry_app.auth.audit import AuditLog

# What only prepares a write says nothing yet: the start of an upload and its chunks.
_UNFINISHED = {("POST", 202), ("PATCH", 202)}
_WRITES = {"POST", "PATCH", "PUT", "DELETE"}
# A claim that did not hold has its own line, from the authenticator, which knows more.
_NOT_LOGGED_IN = {401, 429}


class Auditing:
    """Falcon middleware, to stand before the gate: it sees the names in the path also where the gate refuses."""

    def __init__(self, log: AuditLog) -> None:
        self._log = log

    def process_resource(self, req: Request, _resp: Response, _resource: object, params: dict[str, Any]) -> None:
        """Keeps what the path names."""
        if req.method in _WRITES:
            req.context.audited = {name: str(value) for name, value in params.items() if name != "upload"}

    def process_response(self, req: Request, resp: Response, _resource: object, _succeeded: bool) -> None:  # noqa: FBT001
        """Writes the line when the outcome is known."""
        names = getattr(req.context, "audited", None)
        status = int(str(resp.status)[:3])
        if names is None or (req.method, status) in _UNFINISHED or status in _NOT_LOGGED_IN:
            return
        # The answer names what was written; the path alone names what was not.
        names["digest"] = resp.get_header("Docker-Content-Digest") or names.get("digest")
        self._log.record(
            "delete" if req.method == "DELETE" else "push",
            user=req.context.identity.name,
            address=req.context.address,
            result=str(status),
            method=req.method,
            **names,
            request_id=req.context.request_id,
        )
