"""What the service is told: one frozen value, made once at start and handed to whoever needs a part of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where to listen: a host (empty: every interface) and a port, or the path of a unix socket."""

    host: str = ""
    port: int = 5000
    socket: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """How the service logs; `level` is one of error, warn, info, debug."""

    level: str = "info"
    json: bool = False
    access: bool = True
    fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageSettings:
    """The store; `reserve` is bytes that pushes leave free."""

    root: Path = Path("/var/lib/registry")
    delete_enabled: bool = False
    read_only: bool = False
    reserve: int = 1 << 30
    sparse_indexes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeSettings:
    """Removal of abandoned uploads; times in seconds."""

    enabled: bool = True
    age: float = 168 * 3600.0
    interval: float = 24 * 3600.0
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionSettings:
    """Scheduled garbage collection; times in seconds."""

    enabled: bool = True
    interval: float = 24 * 3600.0
    grace: float = 3600.0
    trash: float = 24 * 3600.0
    untagged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrubSettings:
    """Scheduled re-reading of all blobs; `interval` in seconds, `rate` in bytes a second."""

    enabled: bool = True
    interval: float = 168 * 3600.0
    rate: int = 20 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """HTTPS without a proxy."""

    certificate: Path
    key: Path
    minimum: str = "tls1.2"
    client_authorities: tuple[Path, ...] = ()
    client_required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class DebugSettings:
    """The internal listener. Metrics tell the end of the certificate that `certificate_probe` shows under a name."""

    address: Address
    metrics: bool = False
    metrics_path: str = "/metrics"
    certificate_probe: Address | None = None
    certificate_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """The public listener and what responses carry. `relative_urls` None: relative unless `host` is set."""

    address: Address = field(default_factory=Address)
    host: str = ""
    prefix: str = ""
    relative_urls: bool | None = None
    secret: str = field(default="", repr=False)
    secret_file: Path | None = None
    drain_timeout: float = 10.0
    read_timeout: float = 60.0
    headers: tuple[tuple[str, str], ...] = ()
    tls: TlsSettings | None = None
    debug: DebugSettings | None = None
    trusted_proxies: tuple[Network, ...] = ()
    accel_redirect: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HtpasswdSettings:
    """Basic authentication against a file."""

    path: Path
    realm: str = "stackgen"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrySettings:
    """Everything that `config.yml` and the environment say. `notices` are for the log at start."""

    source: str = "defaults"
    log: LogSettings = field(default_factory=LogSettings)
    storage: StorageSettings = field(default_factory=StorageSettings)
    purge: PurgeSettings = field(default_factory=PurgeSettings)
    http: HttpSettings = field(default_factory=HttpSettings)
    htpasswd: HtpasswdSettings | None = None
    access_file: Path | None = None
    audit_log: Path | None = None
    collection: CollectionSettings = field(default_factory=CollectionSettings)
    scrub: ScrubSettings = field(default_factory=ScrubSettings)
    workers: int = 2
    threads: int = 64
    catalog_most: int = 1000
    tags_most: int = 1000
    notices: tuple[str, ...] = ()
