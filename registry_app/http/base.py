"""`/v2/`: whether this is a registry, and whether the caller is let in."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from falcon import Request, Response


class BaseResource:
    """What clients ask first."""

    def on_get(self, _req: Request, resp: Response) -> None:
        """`{}` (end-1)."""
        resp.content_type = "application/json"
        resp.data = b"{}"
