"""Host names and addresses as people type them: taken as they are, or refused with what to type instead."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from registry_app.plain_text import quoted

HTTPS_DEFAULT = 443
_LONGEST_HOST = 253
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_TYPED = re.compile(r"(?:\w+://)?(?:[^/@]*@)?(?:\[([^/\]]*)\]|([^/:\[\]]*))(?::(\d{1,5}))?(?:[/?#].*)?")
_NUMBER_LAST = re.compile(r"(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)$")
"""By the URL standard of browsers, section 4.4: what ends so is an IPv4 address, or no host at all."""
_SPELLINGS = (
    (r"://", "starts with a scheme"),
    (r"/", "holds a path"),
    (r"@", "holds a user"),
    (r"[\[\]]", "has brackets"),
    (r"%", "has a zone, which means something on one machine alone"),
    (r"\*", "is a pattern; clients reach the registry under one name"),
    (r"^[^:]*:\d*$", "holds a port"),
    (r":|^[0-9.]+$", "is no IP address"),
    (r"\.$", "ends with a dot"),
    (_NUMBER_LAST.pattern, "ends with a number, which programs take for a part of an IP address"),
    (r"[^\x00-\x7f]", "has letters beyond ASCII"),
    (r"[A-Z]", "has capitals"),
    (r"_", "is no host name: it holds a _"),
)
_PORTS = range(1, 65536)


def parse_host(value: str) -> str:
    """A lower-case DNS name, or an IP address that clients can dial, without brackets; ValueError with the way out."""
    reason = _why_no_host(value)
    if reason:
        raise ValueError(reason + _meant(value))
    return str(ipaddress.ip_address(value)) if is_address(value) else value


def _why_no_host(value: str) -> str:
    """What keeps a text from being a host; empty when nothing does."""
    if is_address(value):
        return _why_not_dialled(ipaddress.ip_address(value))
    if _is_name(value) and not _NUMBER_LAST.search(value):
        return ""
    return next((reason for pattern, reason in _SPELLINGS if re.search(pattern, value)), "is no host name")


def _is_name(value: str) -> bool:
    return len(value) <= _LONGEST_HOST and all(_LABEL.fullmatch(label) for label in value.split("."))


def _why_not_dialled(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """Why no client can use an address; empty when one can."""
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
        return "has a zone, which means something on one machine alone"
    if address.is_unspecified:
        return "means every address of this machine, and no client can dial it; BIND_ADDRESS says where ports open"
    if address.is_multicast:
        return "is a multicast address"
    if address.version == 4 and (address.is_reserved or address.packed[0] == 0):  # noqa: PLR2004  (IP's own number)
        return "is no address of a machine"
    return ""


def _meant(value: str) -> str:
    """`: write …` with the host in what was typed; empty where none can be made out."""
    found = _TYPED.fullmatch(value)
    if not found:
        return ""
    if "@" in value[found.end(1 if found[1] else 2) :]:
        return ""  # what looks like a host is a part of a password
    host = (found[1] or found[2] or "").rstrip(".").lower()
    try:
        host = host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        return ""
    if host == value or _why_no_host(host):
        return ""
    return f": write {host}" + (f", and HTTPS_PORT={found[3]}" if found[3] else "")


def parse_address(value: str) -> str:
    """An IPv4 or IPv6 address on which a port of this machine can be opened."""
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        raise ValueError("is no IP address") from None
    if not address.is_unspecified and (reason := _why_not_dialled(address)):
        raise ValueError(reason)
    return str(address)


def parse_networks(networks: tuple[str, ...]) -> tuple[str, ...]:
    """Networks such as 192.0.2.0/24, or single addresses."""
    for network in networks:
        if "%" in network:  # a zone may hold anything, nginx's braces and semicolons too
            raise ValueError(f"holds {quoted(network)}: a zone of IPv6 means something on one machine alone")
        try:
            ipaddress.ip_network(network)
        except ValueError:
            raise ValueError(f"holds {quoted(network)}{_why_no_network(network)}") from None
    return networks


def _why_no_network(text: str) -> str:
    try:
        return f", an address inside {ipaddress.ip_network(text, strict=False)}: write the network or the address alone"
    except ValueError:
        return ", which is no network"


def is_loopback(host: str) -> bool:
    """Whether a host name or address stays on this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_address(host: str) -> bool:
    """Whether a host is an IP address: TLS clients then name no server."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def split_url(url: str) -> tuple[str, int]:
    """(host, port) of an https address."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or HTTPS_DEFAULT


def parse_url(value: str) -> str:
    """`https://host[:port]`, without a path, user or query."""
    match = re.fullmatch(r"(\w+)://(\[[0-9A-Fa-f:.]+\]|[^/?#@:\[\]]+)(?::(\d{1,5}))?/?", value)
    if not match:
        raise ValueError("is no plain address of a host")
    scheme, host, port = match.groups()
    if scheme != "https":
        raise ValueError(f"starts with {scheme}://; registries are reached over https")
    try:
        parse_host(host.strip("[]"))
    except ValueError as error:
        raise ValueError(f"names the host {quoted(host)}, which {error}") from None
    if port is not None and int(port) not in _PORTS:
        raise ValueError(f"has no possible port: {port}")
    return value.removesuffix("/")


def parse_authority(value: str) -> str:
    """`host:port`, the port written out."""
    host, colon, port = value.rpartition(":")
    if not colon or not port.isascii() or not port.isdecimal() or int(port) not in _PORTS:
        raise ValueError("is not host:port")
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise ValueError("is not host:port; an IPv6 address stands in brackets")
    parse_host(host.removeprefix("[").removesuffix("]"))
    return value
