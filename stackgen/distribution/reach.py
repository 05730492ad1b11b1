"""How a registry is reached: what is trusted, which login is used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stackgen.distribution.client import RegistryClient
from stackgen.distribution.logins import find_login
from stackgen.distribution.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Reach:
    """A CA file beside the system's, or plain HTTP, which loopback alone may have."""

    ca: Path | None = None
    plain_http: bool = False

    def connect(self, host: str, *, environ: Mapping[str, str]) -> RegistryClient:
        """A client of a host, with the login that `docker login` left for it."""
        login = find_login(host, environ=environ)
        return RegistryClient(host, transport=Transport(ca=self.ca), login=login, plain_http=self.plain_http)
