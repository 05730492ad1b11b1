"""From the document to `RegistrySettings`: pure, every problem noted instead of raised."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from registry_app.configuration.http_section import http_settings
from registry_app.configuration.reader import Reader
from registry_app.configuration.schema import AUTH, CONFIGURATION, STORAGE, Struct, Verdict
from registry_app.settings import (
    CollectionSettings,
    HtpasswdSettings,
    LogSettings,
    PurgeSettings,
    RegistrySettings,
    ScrubSettings,
    StorageSettings,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from registry_app.configuration.document import Document, Findings

T = TypeVar("T")
LEVELS = {"error", "warn", "info", "debug"}
DRIVERLESS = {"maintenance", "cache", "delete", "redirect", "tag"}
_MOST_AT_ONCE = 10_000


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
        http=http_settings(reader),
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
