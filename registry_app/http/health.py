"""Liveness, which the outside may ask for, and readiness with reasons, which only the internal listener tells."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from falcon import Request, Response

    # Gives the reason why something is not in order, or None.
    Check = Callable[[], str | None]


class Liveness:
    """`/healthz`: the process answers. A full disk or read-only mode is no reason to be restarted."""

    def on_get(self, _req: Request, resp: Response) -> None:
        """Says ok and no more."""
        resp.content_type = "text/plain"
        resp.data = b"ok\n"

    def on_head(self, req: Request, resp: Response) -> None:
        """As GET, without the body."""
        self.on_get(req, resp)


class Checks:
    """`/debug/health` (can it be read?) and `/debug/ready` (can it be written?): `{}`, or 503 with the reasons.

    `notes` are told with them, and alone with 200: what is not as it should be, and keeps nobody from anything.
    """

    def __init__(self, checks: Mapping[str, Check], *, notes: Mapping[str, Check] | None = None) -> None:
        self._checks = checks
        self._notes = notes or {}

    def on_get(self, _req: Request, resp: Response) -> None:
        """Runs every check."""
        failed, noted = _reasons(self._checks), _reasons(self._notes)
        resp.status = 503 if failed else 200
        resp.content_type = "application/json"
        resp.set_header("Cache-Control", "no-store")
        resp.data = json.dumps(failed | noted).encode()


def _reasons(checks: Mapping[str, Check]) -> dict[str, str]:
    return {name: reason for name, check in checks.items() if (reason := check()) is not None}
