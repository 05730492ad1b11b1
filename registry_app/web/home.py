"""`/`: a short page that says what this is and how to use it."""

from __future__ import annotations

import base64
import hashlib
import re
from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from falcon import Request, Response

PAGE = Path(__file__).with_name("home.html")
# What may stand before a repository's name; anything else in a Host header is not shown.
_AUTHORITY = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")
# Nothing is loaded from anywhere; the one style sheet stands in the page, named by its hash.
_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)


class HomeResource:
    """The page, with the address under which the reader came."""

    def __init__(self, base_url: Callable[[Request], str], *, login: bool) -> None:
        self._base_url = base_url
        self._login = login
        self._page = Template(PAGE.read_text(encoding="utf-8"))
        self._policy = content_policy(self._page.template)

    def on_get(self, req: Request, resp: Response) -> None:
        """The page as HTML."""
        authority = self._base_url(req).partition("://")[2]
        host = authority if _AUTHORITY.fullmatch(authority) else "registry.example.com"
        login = f"docker login {host}\n" if self._login else ""
        resp.content_type = "text/html; charset=utf-8"
        resp.set_headers(
            {
                "Content-Security-Policy": self._policy,
                "X-Content-Type-Options": "nosniff",
                "Referrer-Policy": "no-referrer",
                "Cache-Control": "no-cache",
            }
        )
        resp.data = self._page.substitute(host=escape(host), login=escape(login)).encode()


def content_policy(page: str) -> str:
    """The Content-Security-Policy of a page: its own style and nothing else."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}'"
        for style in _STYLE.findall(page)
    )
    return f"default-src 'none'; style-src {hashes}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
