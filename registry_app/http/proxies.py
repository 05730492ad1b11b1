"""Who really calls, and under which address: forwarded headers count from trusted networks alone. Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from registry_app.settings import Network

_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")

_MOST_JUDGED = 4096


class TrustedProxies:
    """The networks whose X-Forwarded-* headers are believed."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = tuple(networks)
        self._judged: dict[str, bool] = {}

    def trusts(self, address: str) -> bool:
        """Whether an address lies in one of the networks; what is no address does not."""
        trusted = self._judged.get(address)
        if trusted is None:
            parsed = _parse(address)
            trusted = parsed is not None and any(parsed in network for network in self._networks)
            if len(self._judged) < _MOST_JUDGED:
                self._judged[address] = trusted
        return trusted

    def client(self, peer: str, forwarded_for: str | None) -> str:
        """Address of the client: the last one in X-Forwarded-For that no trusted proxy has."""
        address = _plain(peer)
        for entry in reversed((forwarded_for or "").split(",")):
            if not self.trusts(address) or _parse(entry.strip()) is None:
                break
            address = _plain(entry.strip())
        return address

    def base_url(
        self, peer: str, *, scheme: str, host: str | None, forwarded_proto: str | None, forwarded_host: str | None
    ) -> str:
        """Scheme and host under which the client reached us; empty where the host is no host."""
        if self.trusts(_plain(peer)):
            scheme = forwarded_proto if forwarded_proto in {"http", "https"} else scheme
            host = forwarded_host if forwarded_host and _HOST.fullmatch(forwarded_host) else host
        return f"{scheme}://{host}" if host and _HOST.fullmatch(host) else ""


def _plain(address: str) -> str:
    """IPv4 out of the IPv6 form that a dual-stack socket shows."""
    return address.removeprefix("::ffff:") if "." in address else address


@lru_cache(maxsize=4096)
def _parse(address: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(_plain(address))
    except ValueError:
        return None
