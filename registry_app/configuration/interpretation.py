"""From the document to `RegistrySettings`: pure, every problem noted instead of raised."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from registry_app.configuration.schema import AUTH, CONFIGURATION, STORAGE, Struct, Verdict
from registry_app.settings import (
    Address,
    CollectionSettings,
    DebugSettings,
    HtpasswdSettings,
    HttpSettings,
    LogSettings,
    Network,
    PurgeSettings,
    RegistrySettings,
    ScrubSettings,
    StorageSettings,
    TlsSettings,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from registry_app.configuration.document import Document, Findings

T = TypeVar("T")
LEVELS = {"error", "warn", "info", "debug"}
DRIVERLESS = {"maintenance", "cache", "delete", "redirect", "tag"}
# RFC 9110, 5.1 and 5.5.
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[ \t\x21-\x7e\x80-\xff]*")
_PAGE = re.compile(r"/[A-Za-z0-9._~/-]+")
_MOST_AT_ONCE = 10_000
CLIENT_AUTH = {"require-and-verify-client-cert": True, "verify-client-cert-if-given": False}


class Reader:
    """Looks values up by their dotted path and collects what is wrong with them."""

    def __init__(self, document: Document, findings: Findings) -> None:
        self._document = document
        self.findings = findings

    def get(self, path: str, fallback: Any = None) -> Any:
        """The value at a path, or the fallback where it is absent, null or an empty text, which is none to upstream."""
        value: Any = self._document
        for name in path.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        return fallback if value is None or value == "" else value

    def parsed(self, path: str, parse: Callable[[Any], T], fallback: T) -> T:
        """The parsed value at a path; a ValueError becomes a problem."""
        value = self.get(path)
        if value is None:
            return fallback
        try:
            return parse(value)
        except ValueError as error:
            self.problem(path, str(error))
            return fallback

    def problem(self, path: str, text: str) -> None:
        """Notes why the service can't start."""
        self.findings.problems.append(f"{path}: {text}")


def interpret(document: Document, findings: Findings, *, source: str) -> RegistrySettings:
    """Settings of a document; problems and warnings are added to the findings."""
    reader = Reader(document, findings)
    if str(reader.get("version", "")) != "0.1":
        reader.problem("version", f"unsupported version {reader.get('version')!r}: the first line is `version: 0.1`")
    _judge(document, CONFIGURATION, (), findings)
    _check_choices(reader)
    settings = RegistrySettings(
        source=source,
        log=_log(reader),
        storage=_storage(reader),
        purge=_section(reader, "storage.maintenance.uploadpurging", PurgeSettings, dryrun="dry_run"),
        http=_http(reader),
        htpasswd=_htpasswd(reader),
        access_file=reader.parsed("stackgen.access_file", Path, None),
        audit_log=reader.parsed("stackgen.audit_log", Path, None),
        collection=_section(reader, "stackgen.gc", CollectionSettings),
        scrub=_section(reader, "stackgen.scrub", ScrubSettings),
        workers=reader.parsed("stackgen.workers", _positive, 2),
        threads=reader.parsed("stackgen.threads", _positive, 64),
        catalog_most=reader.parsed("catalog.maxentries", _entries, 1000),
        tags_most=reader.parsed("tags.maxtags", _entries, 1000),
    )
    return replace(settings, notices=tuple(findings.warnings))


def _judge(document: Document, kind: Struct, path: tuple[str, ...], findings: Findings) -> None:
    """Notes what this service can't do of what was asked for."""
    for name, value in document.items():
        key = kind.keys.get(name)
        if key is None:
            continue
        where = ".".join((*path, name))
        if isinstance(key.kind, Struct) and isinstance(value, dict):
            _judge(value, key.kind, (*path, name), findings)
        # The name of a driver or of a way to log in asks by itself: without it, nobody would be asked for a password.
        elif key.verdict is Verdict.REFUSED and (kind.open or _asks_for_something(value)):
            findings.problems.append(f"{where}: {key.help}")
        elif key.verdict is Verdict.UNSUPPORTED and _asks_for_something(value):
            findings.warnings.append(f"{where} is ignored: {key.help}")


def _asks_for_something(value: Any) -> bool:
    """False for what switches nothing on: empty values, and sections that say they are off."""
    if isinstance(value, dict):
        switched_off = value.get("enabled") is False or value.get("disabled") is True
        return not switched_off and any(_asks_for_something(v) for v in value.values())
    if isinstance(value, list):
        return any(_asks_for_something(item) for item in value)
    return value not in (None, "", False)


def _check_choices(reader: Reader) -> None:
    drivers = sorted(set(reader.get("storage", {})) - DRIVERLESS)
    if not drivers:
        reader.problem("storage", "no driver: add `filesystem: {rootdirectory: /var/lib/registry}`")
    elif len(drivers) > 1:
        reader.problem("storage", f"more than one driver ({', '.join(drivers)}): keep one")
    elif drivers[0] not in STORAGE.keys:
        reader.problem("storage", f"unknown driver {drivers[0]}: use filesystem")
    kinds = sorted(kind for kind in reader.get("auth", {}) if kind.lower() != "none")  # upstream's word for nothing
    if len(kinds) > 1:
        reader.problem("auth", f"more than one type ({', '.join(kinds)}): keep one")
    elif kinds and kinds[0] not in AUTH.keys:
        reader.problem("auth", f"unknown type {kinds[0]}: use htpasswd")


def _section(reader: Reader, path: str, kind: Callable[..., T], **renamed: str) -> T:
    """A settings class filled from a section whose keys are its fields."""
    given = {renamed.get(name, name): value for name, value in reader.get(path, {}).items() if value is not None}
    return kind(**given)


def _log(reader: Reader) -> LogSettings:
    level = str(reader.get("log.level") or reader.get("loglevel") or "info").lower()
    if level not in LEVELS:
        reader.problem("log.level", f"{level!r} is no level: use error, warn, info or debug")
    formatter = str(reader.get("log.formatter", "text")).lower()
    if formatter not in {"text", "json", "logstash"}:
        reader.problem("log.formatter", f"{formatter!r} is no formatter: use text or json")
    return LogSettings(
        level=level,
        json=formatter != "text",
        access=not reader.get("log.accesslog.disabled", fallback=False),
        fields=tuple((str(name), str(value)) for name, value in reader.get("log.fields", {}).items()),
    )


def _storage(reader: Reader) -> StorageSettings:
    defaults = StorageSettings()
    root = reader.parsed("storage.filesystem.rootdirectory", Path, defaults.root)
    if not root.is_absolute():
        reader.problem("storage.filesystem.rootdirectory", f"{root} is relative: write the whole path")
    platforms = str(reader.get("validation.manifests.indexes.platforms", "all")).lower()
    if platforms not in {"all", "none", "list"}:
        reader.problem("validation.manifests.indexes.platforms", f"{platforms!r}: use all or none")
    return StorageSettings(
        root=root,
        delete_enabled=reader.get("storage.delete.enabled", defaults.delete_enabled),
        read_only=reader.get("storage.maintenance.readonly.enabled", defaults.read_only),
        reserve=reader.get("stackgen.reserve", defaults.reserve),
        sparse_indexes=reader.get("stackgen.sparse_indexes", platforms == "none"),
    )


def _http(reader: Reader) -> HttpSettings:
    defaults = HttpSettings()
    unix = reader.get("http.net") == "unix"
    if reader.get("http.net", "tcp") not in {"tcp", "unix"}:
        reader.problem("http.net", "use tcp or unix")
    return HttpSettings(
        address=reader.parsed("http.addr", _unix_socket if unix else _address, defaults.address),
        host=_host(reader),
        prefix="/".join(["", *filter(None, str(reader.get("http.prefix", "")).split("/"))]),
        relative_urls=reader.get("http.relativeurls"),
        secret=reader.get("http.secret", ""),
        secret_file=reader.parsed("stackgen.http_secret_file", Path, None),
        drain_timeout=reader.get("http.draintimeout", defaults.drain_timeout),
        read_timeout=reader.get("stackgen.read_timeout", defaults.read_timeout),
        headers=_headers(reader),
        tls=_tls(reader),
        debug=_debug(reader),
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


def _debug(reader: Reader) -> DebugSettings | None:
    address = reader.parsed("http.debug.addr", _address, None)
    if address is None:
        return None
    return DebugSettings(
        address=address,
        metrics=reader.get("http.debug.prometheus.enabled", fallback=False),
        metrics_path=reader.parsed("http.debug.prometheus.path", _page, "/metrics"),
        certificate_probe=reader.parsed("stackgen.certificate_probe", _address, None),
        certificate_name=reader.get("stackgen.certificate_name", ""),
    )


def _htpasswd(reader: Reader) -> HtpasswdSettings | None:
    if "htpasswd" not in reader.get("auth", {}):
        return None
    path = reader.parsed("auth.htpasswd.path", Path, None)
    if path is None:
        reader.problem("auth.htpasswd.path", "missing: name the htpasswd file")
        return None
    return HtpasswdSettings(path=path, realm=reader.get("auth.htpasswd.realm") or "stackgen")


def _positive(number: int) -> int:
    if not 1 <= number <= _MOST_AT_ONCE:
        raise ValueError(f"{number} is too {'small: 1 at least' if number < 1 else f'large: {_MOST_AT_ONCE} at most'}")
    return number


def _entries(number: int) -> int:
    return number if number > 0 else 1000  # as upstream takes an empty or a negative one


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
