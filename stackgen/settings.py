"""StackSettings: every variable of `.env` with its type, default, meaning and group, in one place.

The reference page, `.env.example`, the JSON schema and the messages of `validate` are made from these fields.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from stackgen import hosts
from stackgen.values import (
    Authority,
    Bytes,
    Duration,
    FilePath,
    GrafanaUser,
    Host,
    ImageReference,
    IpAddress,
    Memory,
    Names,
    Networks,
    OwnedBy,
    ProjectName,
    ProxyUrl,
    Tag,
    Text,
    Url,
    UserName,
)

STACK = "Stack"
ADDRESS = "Address"
TLS = "TLS"
STORAGE = "Storage"
REGISTRY = "Registry"
BUILD = "Building the registry's image"
LIMITS = "Limits"
OBSERVABILITY = "Profile observability"


def variable(default: Any, group: str, meaning: str, *, remedy: str, example: str = "", **more: Any) -> Any:
    """A field of StackSettings; `remedy` says what to write when a value is refused, `example` shows one."""
    extra: dict[str, Any] = {"group": group, "remedy": remedy, "example": example}
    return Field(default, description=meaning, json_schema_extra=extra, **more)


class StackSettings(BaseModel):
    """What a stack's `.env` says, checked and typed. The name in `.env` is the field's in capitals."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    compose_project_name: ProjectName = variable(
        "stackgen",
        STACK,
        "Name of the Compose project: prefix of its containers, networks and volumes.",
        remedy="use lower-case letters, digits, - and _, starting with a letter or digit",
        example="team-registry",
    )
    compose_profiles: Names = variable(
        (),
        STACK,
        "Profiles to run beside the registry, separated by commas; `stackgen enable` and `disable` edit this.",
        remedy="write names of profiles separated by commas; stackgen profiles lists them",
        example="observability",
    )
    secrets_gid: int = variable(
        10001,
        STACK,
        "Group that may read secret files and keys; the containers join it. `init` writes the operator's group.",
        ge=0,
        le=4294967294,
        remedy="write a numeric group id, as `id -g` prints it",
    )

    service_domain: Host = variable(
        "localhost",
        ADDRESS,
        "Host name or IP address under which clients reach the registry.",
        remedy="write a host name such as registry.example.com or an IP address: no scheme, port or path",
        example="registry.example.com",
    )
    registry_external_url: Url | None = variable(
        None,
        ADDRESS,
        "Address that clients use when it isn't https://SERVICE_DOMAIN:HTTPS_PORT, as behind another gateway.",
        remedy="write https://host or https://host:port, without a path",
        example="https://registry.example.com",
    )
    bind_address: IpAddress | None = variable(
        None,
        ADDRESS,
        "Address of this host on which ports are published; empty means all of them.",
        remedy="write an IP address of this host, such as 127.0.0.1, or leave it empty",
        example="127.0.0.1",
    )
    https_port: int = variable(
        443,
        ADDRESS,
        "Port of this host that serves the registry over TLS.",
        ge=1,
        le=65535,
        remedy="write a port between 1 and 65535",
    )
    http_port: int = variable(
        80,
        ADDRESS,
        "Port that sends plain HTTP on to HTTPS; 0 publishes none. Not used with PROXY=none.",
        ge=0,
        le=65535,
        remedy="write a port between 1 and 65535, or 0 for none",
    )
    trusted_proxies: Networks = variable(
        (),
        ADDRESS,
        "Networks of gateways in front of this stack whose X-Forwarded-For is believed, separated by commas.",
        remedy="write networks such as 10.0.0.0/8,192.0.2.7",
        example="192.0.2.0/24",
    )

    proxy: Literal["nginx", "none"] = variable(
        "nginx",
        TLS,
        "What terminates TLS: nginx, or none for the registry alone with TLS of its own.",
        remedy="write nginx or none",
    )
    tls: Literal["local", "own"] = variable(
        "local",
        TLS,
        "Where the certificate comes from: local is issued by the stack's own authority, own is yours in CERTS_DIR.",
        remedy="write local or own",
    )
    certs_dir: FilePath = variable(
        "./certs",
        TLS,
        "Folder with fullchain.pem and privkey.pem (public.crt and private.key are found too).",
        remedy="write a path, absolute or relative to the stack's folder",
    )
    hsts: bool = variable(
        False,
        TLS,
        "Tell browsers to use HTTPS alone for two years. Turn it on when the certificate is there to stay.",
        remedy="write true or false",
    )

    storage_dir: FilePath | None = variable(
        None,
        STORAGE,
        "Folder of this host for the images, absolute or ./NAME in the stack's folder; empty means the named volume "
        "registry_data.",
        remedy="write an absolute path, or ./NAME for a folder inside the stack's",
        example="/srv/registry",
    )
    registry_storage_delete_enabled: bool = variable(
        True,
        STORAGE,
        "Whether images and tags can be deleted.",
        remedy="write true or false",
    )
    storage_reserve: Bytes = variable(
        "1GiB",
        STORAGE,
        "Free space below which pushes are refused while pulls go on.",
        remedy="write a size such as 512MiB or 5GiB",
    )
    upload_purge_age: Duration = variable(
        "168h",
        STORAGE,
        "Unfinished uploads without a write for this long are removed.",
        remedy="write a duration such as 30m, 24h or 168h",
    )
    gc_interval: Duration = variable(
        "24h",
        STORAGE,
        "Time between two collections of what no manifest refers to; they run while pushes go on.",
        remedy="write a duration such as 30m, 24h or 168h",
    )
    gc_grace: Duration = variable(
        "1h",
        STORAGE,
        "How long a blob that nothing refers to is kept for a push that is under way.",
        remedy="write a duration such as 30m, 24h or 168h",
    )
    gc_trash: Duration = variable(
        "24h",
        STORAGE,
        "How long collected files can be taken back before they are gone.",
        remedy="write a duration such as 30m, 24h or 168h",
    )
    gc_untagged: bool = variable(
        False,
        STORAGE,
        "Whether collection also drops manifests without a tag that nothing refers to.",
        remedy="write true or false",
    )
    scrub_interval: Duration = variable(
        "168h",
        STORAGE,
        "Time between two checks of every stored byte against its digest.",
        remedy="write a duration such as 30m, 24h or 168h",
    )
    scrub_rate: Bytes = variable(
        "20MiB",
        STORAGE,
        "Bytes a second that the check reads at most.",
        remedy="write a size such as 20MiB",
    )

    registry_admin_user: UserName = variable(
        "admin",
        REGISTRY,
        "The first user, made by `init`; its password is in secrets/admin_password.",
        remedy="use a name such as admin or ops@example.com: a letter, digit or _ first, no colon",
    )
    registry_image: ImageReference | None = variable(
        None,
        REGISTRY,
        "Image to run instead of the one that `docker compose up` builds from registry/.",
        remedy="write an image reference such as registry.example.com/stackgen/registry:1.0",
        example="registry.example.com/stackgen/registry:1.0",
    )
    registry_version: Tag | None = variable(
        None,
        REGISTRY,
        "Tag of the registry's image; empty means REGISTRY_IMAGE's own, or one made from the build context.",
        remedy="write an image tag such as 1.0.0",
        example="1.0.0",
    )
    registry_user: OwnedBy = variable(
        "10001:10001",
        REGISTRY,
        "uid:gid that the registry runs as and that owns STORAGE_DIR.",
        remedy="write two numbers such as 1000:1000; 0, root, is refused",
    )
    configs_dir: FilePath = variable(
        "./config",
        REGISTRY,
        "Folder with the registry's config.yml; a folder outside the stack is yours and is not rendered.",
        remedy="write a path, absolute or relative to the stack's folder",
    )
    registry_workers: int = variable(
        2,
        REGISTRY,
        "Processes that serve requests.",
        ge=1,
        le=64,
        remedy="write a number between 1 and 64",
    )
    registry_threads: int = variable(
        64,
        REGISTRY,
        "Requests that each process serves at a time.",
        ge=2,
        le=512,
        remedy="write a number between 2 and 512",
    )
    sparse_indexes: bool = variable(
        False,
        REGISTRY,
        "Whether an image index may be pushed before all of its images.",
        remedy="write true or false",
    )
    log_level: Literal["debug", "info", "warn", "error"] = variable(
        "info",
        REGISTRY,
        "Least level that is logged.",
        remedy="write debug, info, warn or error",
    )
    log_format: Literal["json", "text"] = variable(
        "json",
        REGISTRY,
        "json for machines, text for people; for nginx and the registry alike.",
        remedy="write json or text",
    )

    build_extra_ca: FilePath | None = variable(
        None,
        BUILD,
        "PEM file with an authority that the build trusts too, as behind a proxy that inspects TLS.",
        remedy="write the path of a PEM file",
        example="/etc/ssl/certs/ca-certificates.crt",
    )
    build_http_proxy: ProxyUrl | None = variable(
        None,
        BUILD,
        "Proxy of the build for http.",
        remedy="write http://host:port, without a password",
        example="http://proxy.example.com:3128",
    )
    build_https_proxy: ProxyUrl | None = variable(
        None,
        BUILD,
        "Proxy of the build for https.",
        remedy="write http://host:port, without a password",
        example="http://proxy.example.com:3128",
    )
    build_no_proxy: Text = variable(
        "",
        BUILD,
        "Hosts that the build reaches without a proxy, separated by commas.",
        remedy="write host names separated by commas",
        example="localhost,.example.com",
    )
    build_pip_index_url: ProxyUrl | None = variable(
        None,
        BUILD,
        "Python package index of the build, when it isn't the public one.",
        remedy="write https://host/path, without a password",
        example="https://pypi.example.com/simple",
    )

    registry_memory: Memory = variable(
        "1GiB",
        LIMITS,
        "Memory limit of the registry.",
        remedy="write a size such as 512MiB or 2GiB",
    )
    nginx_memory: Memory = variable(
        "512MiB",
        LIMITS,
        "Memory limit of nginx.",
        remedy="write a size such as 256MiB",
    )
    log_max_size: Bytes = variable(
        "10MiB",
        LIMITS,
        "Size at which a container's log is rotated.",
        remedy="write a size such as 10MiB",
    )
    log_max_files: int = variable(
        5,
        LIMITS,
        "Rotated logs kept for each container.",
        ge=1,
        le=1000,
        remedy="write a number between 1 and 1000",
    )

    prometheus_port: int = variable(
        9090,
        OBSERVABILITY,
        "Port of this host's loopback on which Prometheus answers; 0 publishes none.",
        ge=0,
        le=65535,
        remedy="write a port between 1 and 65535, or 0 for none",
    )
    prometheus_retention: Duration = variable(
        "720h",
        OBSERVABILITY,
        "How long measurements are kept.",
        remedy="write a duration such as 168h or 720h",
    )
    prometheus_retention_size: Bytes = variable(
        "4GiB",
        OBSERVABILITY,
        "Space for measurements; the oldest go first.",
        remedy="write a size such as 2GiB",
    )
    prometheus_memory: Memory = variable(
        "768MiB",
        OBSERVABILITY,
        "Memory limit of Prometheus.",
        remedy="write a size such as 768MiB",
    )
    prometheus_alertmanager: Authority | None = variable(
        None,
        OBSERVABILITY,
        "host:port of an Alertmanager of yours; only with it does Prometheus get a network that leads out.",
        remedy="write host:port, such as alerts.example.com:9093",
        example="alerts.example.com:9093",
    )
    grafana_port: int = variable(
        3000,
        OBSERVABILITY,
        "Port of this host's loopback on which Grafana answers; 0 publishes none.",
        ge=0,
        le=65535,
        remedy="write a port between 1 and 65535, or 0 for none",
    )
    grafana_admin_user: GrafanaUser = variable(
        "admin",
        OBSERVABILITY,
        "Grafana's administrator; the password is in grafana-secrets/admin_password.",
        remedy="use letters, digits, dots, - and _, without a colon",
    )
    grafana_memory: Memory = variable(
        "512MiB",
        OBSERVABILITY,
        "Memory limit of Grafana.",
        remedy="write a size such as 512MiB",
    )
    cadvisor_docker_socket: bool = variable(
        False,
        OBSERVABILITY,
        "Whether cAdvisor gets Docker's socket, to show containers by name instead of by id. Whoever holds the socket "
        "is root on this host, mounted read-only or not.",
        remedy="write true or false",
    )

    @property
    def host(self) -> str:
        """The host that clients type: of REGISTRY_EXTERNAL_URL, else SERVICE_DOMAIN."""
        return hosts.split_url(self.registry_external_url)[0] if self.registry_external_url else self.service_domain

    @property
    def port(self) -> int:
        """The port that clients type."""
        return hosts.split_url(self.registry_external_url)[1] if self.registry_external_url else self.https_port

    @property
    def authority(self) -> str:
        """`host[:port]` as an image reference starts.

        Docker takes a first part without a dot or a port for a folder of Docker Hub: such a host keeps its :443.
        """
        host = f"[{self.host}]" if ":" in self.host else self.host
        plain = self.port == hosts.HTTPS_DEFAULT and ("." in self.host or self.host == "localhost")
        return host if plain else f"{host}:{self.port}"

    @property
    def own_address(self) -> str:
        """The address under which this host finds its own stack."""
        unspecified = {None: "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  (nothing is bound to it)
        return unspecified.get(self.bind_address) or str(self.bind_address)

    @property
    def external_url(self) -> str:
        """The address that browsers and clients use."""
        return f"https://{self.authority}"

    @property
    def published_ports(self) -> dict[str, int]:
        """Setting → port of this host, for those that could meet.

        A profile's ports are on loopback, where a stack with a BIND_ADDRESS elsewhere has none.
        """
        ports = {"HTTPS_PORT": self.https_port, "HTTP_PORT": self.http_port if self.proxy == "nginx" else 0}
        if "observability" in self.compose_profiles and self.own_address == "127.0.0.1":
            ports |= {"PROMETHEUS_PORT": self.prometheus_port, "GRAFANA_PORT": self.grafana_port}
        return {name: port for name, port in ports.items() if port}

    @property
    def is_local(self) -> bool:
        """Whether the registry is for this machine alone."""
        return hosts.is_loopback(self.host)
