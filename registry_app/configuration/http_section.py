"""From the section `http` to `HttpSettings`: pure, every problem noted instead of raised."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from registry_app.settings import Address, DebugSettings, HttpSettings, Network, TlsSettings

if TYPE_CHECKING:
    from registry_app.configuration.reader import Reader

# RFC 9110, 5.1 and 5.5.
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[ \t\x21-\x7e\x80-\xff]*")
_PAGE = re.compile(r"/[A-Za-z0-9._~/-]+")
CLIENT_AUTH = {"require-and-verify-client-cert": True, "verify-client-cert-if-given": False}


def http_settings(reader: Reader) -> HttpSettings:
    """What the section `http` asks for, with what `stackgen` adds to it; what is wrong with it is noted."""
    defaults = HttpSettings()
    unix = reader.get("http.net") == "unix"
    if reader.get("http.net", "tcp") not in {"tcp", "unix"}:
        reader.problem("http.net", "use tcp or unix")
    address = reader.parsed("http.addr", _unix_socket if unix else _address, defaults.address)
    return HttpSettings(
        address=address,
        host=_host(reader),
        prefix="/".join(["", *filter(None, str(reader.get("http.prefix", "")).split("/"))]),
        relative_urls=reader.get("http.relativeurls"),
        secret=reader.get("http.secret", ""),
        secret_file=reader.parsed("stackgen.http_secret_file", Path, None),
        drain_timeout=reader.get("http.draintimeout", defaults.drain_timeout),
        read_timeout=reader.get("stackgen.read_timeout", defaults.read_timeout),
        headers=_headers(reader),
        tls=_tls(reader),
        debug=_debug(reader, public=address),
        trusted_proxies=reader.parsed("stackgen.trusted_proxies", _networks, ()),
        accel_redirect=reader.parsed("stackgen.accel_redirect", _location, ""),
    )


def _host(reader: Reader) -> str:
    text = str(reader.get("http.host", ""))
    if text and "://" not in text:  # as upstream: Locations stay as they are without it
        reader.findings.warnings.append(f"http.host {text} is ignored: write it with its scheme, as in https://{text}")
        return ""
    return reader.parsed("http.host", _base_url, "")


def _headers(reader: Reader) -> tuple[tuple[str, str], ...]:
    given = reader.get("http.headers", {})
    headers = tuple((str(name), str(value)) for name, values in given.items() for value in values or ())
    for name, value in headers:
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            reader.problem("http.headers", f"{name!r}: {value!r} can't be sent as a header: use printable characters")
    return headers


def _tls(reader: Reader) -> TlsSettings | None:
    certificate = reader.parsed("http.tls.certificate", Path, None)
    key = reader.parsed("http.tls.key", Path, None)
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        reader.problem("http.tls", "a certificate needs a key, and a key a certificate: set both or none")
        return None
    minimum = str(reader.get("http.tls.minimumtls", "tls1.2")).lower()
    if minimum in {"tls1.0", "tls1.1"}:
        reader.findings.warnings.append(f"http.tls.minimumtls {minimum} is ignored: TLS 1.2 is the least served")
    elif minimum not in {"tls1.2", "tls1.3"}:
        reader.problem("http.tls.minimumtls", f"{minimum!r}: use tls1.2 or tls1.3")
    mode = reader.get("http.tls.clientauth", "require-and-verify-client-cert")
    if mode not in CLIENT_AUTH:
        reader.problem("http.tls.clientauth", f"{mode!r}: use {' or '.join(CLIENT_AUTH)}")
    return TlsSettings(
        certificate=certificate,
        key=key,
        minimum="tls1.3" if minimum == "tls1.3" else "tls1.2",
        client_authorities=tuple(Path(path) for path in reader.get("http.tls.clientcas", []) if path),
        client_required=CLIENT_AUTH.get(mode, True),
    )


def _debug(reader: Reader, *, public: Address) -> DebugSettings | None:
    address = reader.parsed("http.debug.addr", _address, None)
    if address is None:
        return None
    if _meet(address, public):
        # As after REGISTRY_HTTP_ADDR=0.0.0.0:5001, which registry:2's own guide types: its image has no debug listener.
        reader.findings.warnings.append(
            f"http.debug.addr {reader.get('http.debug.addr')} is the port of http.addr, too: health and metrics are "
            "not served: set REGISTRY_HTTP_DEBUG_ADDR to another one"
        )
        return None
    return DebugSettings(
        address=address,
        metrics=reader.get("http.debug.prometheus.enabled", fallback=False),
        metrics_path=reader.parsed("http.debug.prometheus.path", _page, "/metrics"),
        certificate_probe=reader.parsed("stackgen.certificate_probe", _address, None),
        certificate_name=reader.get("stackgen.certificate_name", ""),
    )


def _meet(one: Address, other: Address) -> bool:
    everywhere = {"", "0.0.0.0", "::"}  # noqa: S104 - looked for, not listened on
    same_host = one.host == other.host or bool({one.host, other.host} & everywhere)
    return not one.socket and not other.socket and one.port == other.port != 0 and same_host


def _address(text: str) -> Address:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:  # noqa: PLR2004 - the highest port
        raise ValueError(f"{text!r} is no address: write host:port or :port")
    return Address(host=host.removeprefix("[").removesuffix("]"), port=int(port))


def _unix_socket(text: str) -> Address:
    return Address(socket=text)


def _base_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path.strip("/") or parts.query:
        raise ValueError(f"{text!r}: write https://registry.example.com, with scheme and without path")
    return f"{parts.scheme}://{parts.netloc}"


def _networks(texts: list[str]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts if text)


def _page(text: str) -> str:
    if not _PAGE.fullmatch(text):
        raise ValueError(f"{text!r} is no path of a page: write one like /metrics")
    return text


def _location(text: str) -> str:
    if not (text.startswith("/") and text.endswith("/")):
        raise ValueError(f"{text!r}: an nginx location that starts and ends with /, like /_blobs/")
    return text
