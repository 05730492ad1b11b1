"""Every key of `config.yml` that registry:2, registry:3 or we know, with what this service does about it.

One table feeds the parser, the overrides from the environment, the notices at start and the reference page.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Verdict(Enum):
    """What this service does about a key."""

    USED = auto()
    NEEDLESS = auto()  # accepted in silence: what it tunes does not exist here, and nothing is lost
    UNSUPPORTED = auto()  # a warning at start says what to do instead
    REFUSED = auto()  # starting without it would not be what was asked for


class Scalar(Enum):
    """Kinds of single values."""

    TEXT = "text"
    INTEGER = "whole number"
    BOOLEAN = "true or false"
    DURATION = "duration"
    SIZE = "size"
    ANY = "anything"


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list whose items are of one kind."""

    item: Kind


@dataclass(frozen=True, slots=True)
class MapOf:
    """A mapping with free keys and values of one kind."""

    item: Kind


@dataclass(frozen=True, slots=True)
class Struct:
    """A mapping with known keys. An `open` one takes others too, and a bare name as a mapping of that name alone."""

    keys: Mapping[str, Key]
    open: bool = False


@dataclass(frozen=True, slots=True)
class Key:
    """One key: its kind, what it means or what to do instead, and its name in the environment where that differs."""

    kind: Kind
    help: str = ""
    verdict: Verdict = Verdict.USED
    variable: str = ""
    default: str = field(default="", kw_only=True)

    def segment(self, name: str) -> str:
        """The part of a `REGISTRY_*` variable that names this key."""
        return self.variable or name.upper()


Kind = Scalar | ListOf | MapOf | Struct
TEXT, INTEGER, BOOLEAN, DURATION, SIZE, ANY = Scalar
TEXTS = ListOf(TEXT)


def _needless(kind: Kind, reason: str, variable: str = "") -> Key:
    return Key(kind, reason, Verdict.NEEDLESS, variable)


def _unsupported(kind: Kind, remedy: str, variable: str = "") -> Key:
    return Key(kind, remedy, Verdict.UNSUPPORTED, variable)


def _refused(kind: Kind, remedy: str, variable: str = "") -> Key:
    return Key(kind, remedy, Verdict.REFUSED, variable)


def _driver(name: str) -> Key:
    return _refused(
        ANY,
        f"the {name} driver is not supported: this registry keeps its data in a file system; copy the data to a "
        "volume and use `filesystem: {rootdirectory: /var/lib/registry}`",
    )


_LEVELS = "error, warn, info or debug"

LOG = Struct(
    {
        "level": Key(TEXT, f"how much is logged: {_LEVELS}", default="info"),
        "formatter": Key(TEXT, "text or json (logstash is taken as json)", default="text"),
        "fields": Key(MapOf(ANY), "constant fields added to every line"),
        "accesslog": Key(
            Struct({"disabled": Key(BOOLEAN, "no line per request", default="false")}), "", variable="ACCESSLOG"
        ),
        "reportcaller": _needless(BOOLEAN, "lines name their logger instead"),
        "hooks": _unsupported(ANY, "mails about errors: use the alerts of the observability profile"),
    }
)

STORAGE = Struct(
    {
        "filesystem": Key(
            Struct(
                {
                    "rootdirectory": Key(TEXT, "folder of the tree", default="/var/lib/registry"),
                    "maxthreads": _needless(INTEGER, "the number of threads bounds this too"),
                },
            ),
            "the storage driver",
        ),
        "delete": Key(
            Struct({"enabled": Key(BOOLEAN, "whether tags, manifests and blobs can be deleted", default="false")}),
        ),
        "maintenance": Key(
            Struct(
                {
                    "uploadpurging": Key(
                        Struct(
                            {
                                "enabled": Key(BOOLEAN, "whether abandoned uploads are removed", default="true"),
                                "age": Key(DURATION, "how long after the last byte", default="168h"),
                                "interval": Key(DURATION, "how often to look", default="24h"),
                                "dryrun": Key(BOOLEAN, "only log what would be removed", default="false"),
                            }
                        )
                    ),
                    "readonly": Key(
                        Struct({"enabled": Key(BOOLEAN, "refuse every write", default="false")}),
                    ),
                }
            )
        ),
        "redirect": _needless(ANY, "there is no backend to redirect to"),
        "cache": _needless(ANY, "the file system answers as fast as a cache would"),
        "tag": _needless(ANY, "tags are looked up in an index"),
        "s3": _driver("s3"),
        "s3aws": _driver("s3aws"),
        "gcs": _driver("gcs"),
        "azure": _driver("azure"),
        "swift": _driver("swift"),
        "oss": _driver("oss"),
        "inmemory": _refused(ANY, "the inmemory driver is not supported: use `filesystem` on a tmpfs"),
    },
    open=True,
)

AUTH = Struct(
    {
        "htpasswd": Key(
            Struct(
                {
                    "realm": Key(TEXT, "name shown when a client is asked to log in", default="stackgen"),
                    "path": Key(TEXT, "htpasswd file; only bcrypt entries count"),
                }
            ),
            "Basic authentication",
        ),
        "token": _refused(
            ANY, "an external token server is not supported: use htpasswd, and an access file for rights by repository"
        ),
        "silly": _refused(ANY, "this let in everybody who sent any header: use htpasswd"),
    },
    open=True,
)

_ACME = "automatic certificates are not supported: point certificate and key at the files of an ACME client"

TLS = Struct(
    {
        "certificate": Key(TEXT, "PEM file with the certificate chain; reread when it changes"),
        "key": Key(TEXT, "PEM file with the private key"),
        "clientcas": Key(TEXTS, "PEM file with the authorities of client certificates"),
        "clientauth": Key(TEXT, "require-and-verify-client-cert, or verify-client-cert-if-given"),
        "minimumtls": Key(TEXT, "tls1.2 or tls1.3", default="tls1.2"),
        "ciphersuites": _unsupported(TEXTS, "a safe list is built in: leave it out"),
        # Upstream, too, asks nobody for a certificate without a cachefile.
        "letsencrypt": Key(
            Struct(
                {
                    "cachefile": _refused(TEXT, _ACME),
                    "email": _unsupported(TEXT, _ACME),
                    "hosts": _unsupported(TEXTS, _ACME),
                    "directoryurl": _unsupported(TEXT, _ACME),
                }
            )
        ),
    }
)

HTTP = Struct(
    {
        "addr": Key(TEXT, "where to listen", default=":5000"),
        "net": Key(TEXT, "tcp or unix (then addr is the path of the socket)", default="tcp"),
        "host": Key(TEXT, "URL under which clients reach the registry; makes Locations absolute"),
        "prefix": Key(TEXT, "path below which the whole service lies"),
        "secret": Key(TEXT, "key of the signatures in upload addresses; made at random where missing"),
        "relativeurls": Key(BOOLEAN, "Locations without scheme and host, which works behind every proxy"),
        "draintimeout": Key(DURATION, "how long running requests may take when the service stops", default="10s"),
        "tls": Key(TLS, "serve HTTPS without a proxy"),
        "headers": Key(MapOf(TEXTS), "added to every response"),
        "debug": Key(
            Struct(
                {
                    "addr": Key(TEXT, "internal listener for health and metrics; never publish it"),
                    "prometheus": Key(
                        Struct(
                            {
                                "enabled": Key(BOOLEAN, "whether metrics are served", default="false"),
                                "path": Key(TEXT, "under which path", default="/metrics"),
                            }
                        )
                    ),
                }
            )
        ),
        "http2": _needless(ANY, "the service speaks HTTP/1.1; a proxy in front speaks HTTP/2"),
        "h2c": _needless(ANY, "the service speaks HTTP/1.1; a proxy in front speaks HTTP/2"),
    }
)

HEALTH = Struct(
    {
        "storagedriver": _needless(ANY, "storage is always checked", "STORAGEDRIVER"),
        "file": _unsupported(ANY, "file checkers are not run: let the load balancer read /healthz", "FILECHECKERS"),
        "http": _unsupported(ANY, "HTTP checkers are not run: watch that service itself", "HTTPCHECKERS"),
        "tcp": _unsupported(ANY, "TCP checkers are not run: watch that service itself", "TCPCHECKERS"),
    }
)

VALIDATION = Struct(
    {
        "enabled": _needless(BOOLEAN, "validation is on"),
        "disabled": _unsupported(BOOLEAN, "manifests are always validated"),
        "manifests": Key(
            Struct(
                {
                    "urls": _unsupported(ANY, "URLs of foreign layers are kept as they are and never fetched", "URLS"),
                    "indexes": Key(
                        Struct(
                            {
                                "platforms": Key(
                                    TEXT, "all: an index needs every child; none: it may be sparse", default="all"
                                ),
                                "platformlist": _unsupported(ANY, "use platforms: all or none", "PLATFORMLIST"),
                            }
                        )
                    ),
                }
            )
        ),
    }
)

STACKGEN = Struct(
    {
        "workers": Key(INTEGER, "worker processes", default="2"),
        "threads": Key(INTEGER, "requests that one worker serves at a time", default="64"),
        "http_secret_file": Key(TEXT, "file with the key of the signatures in upload addresses"),
        "access_file": Key(TEXT, "YAML file with rights by user, group and repository"),
        "accel_redirect": Key(TEXT, "internal nginx location that maps to the folder of blobs; absent: no nginx"),
        "trusted_proxies": Key(TEXTS, "networks whose X-Forwarded-* headers count"),
        "reserve": Key(SIZE, "free space that pushes may not use", default="1GiB"),
        "sparse_indexes": Key(BOOLEAN, "accept an index whose children are missing", default="false"),
        "audit_log": Key(
            TEXT, "file of one JSON line for each write and delete; failed logins go to NAME.logins beside"
        ),
        "certificate_probe": Key(TEXT, "host:port of the proxy whose certificate clients see, for the metrics"),
        "certificate_name": Key(TEXT, "host name to ask that certificate for"),
        "read_timeout": Key(DURATION, "how long a client may send nothing in the middle of a request", default="60s"),
        "gc": Key(
            Struct(
                {
                    "enabled": Key(BOOLEAN, "collect garbage on schedule", default="true"),
                    "interval": Key(DURATION, "how often", default="24h"),
                    "grace": Key(DURATION, "how long an unreferenced blob is kept", default="1h"),
                    "trash": Key(DURATION, "how long what was collected can be taken back", default="24h"),
                    "untagged": Key(BOOLEAN, "collect untagged manifests too", default="false"),
                }
            )
        ),
        "scrub": Key(
            Struct(
                {
                    "enabled": Key(BOOLEAN, "check stored blobs on schedule", default="true"),
                    "interval": Key(DURATION, "how often the whole store is read", default="168h"),
                    "rate": Key(SIZE, "bytes a second", default="20MiB"),
                }
            )
        ),
    }
)

PROXY = Struct(
    {
        "remoteurl": _refused(TEXT, "a pull-through cache is not supported: run registry:3 for that, beside this one"),
        # Without a remoteurl upstream is no cache either, and looks at none of these.
        "username": _needless(TEXT, "there is no pull-through cache"),
        "password": _needless(TEXT, "there is no pull-through cache"),
        "exec": _needless(ANY, "there is no pull-through cache"),
        "ttl": _needless(ANY, "there is no pull-through cache"),
    }
)

CONFIGURATION = Struct(
    {
        "version": Key(TEXT, "always 0.1"),
        "log": Key(LOG),
        "loglevel": Key(TEXT, "old name of log.level"),
        "storage": Key(STORAGE),
        "auth": Key(AUTH),
        "http": Key(HTTP),
        "health": Key(HEALTH),
        "validation": Key(VALIDATION),
        "catalog": Key(
            Struct({"maxentries": Key(INTEGER, "most repositories in one page", default="1000")}),
        ),
        "tags": Key(Struct({"maxtags": Key(INTEGER, "most tags in one page", default="1000")})),
        "stackgen": Key(STACKGEN, "settings of this registry; upstream ignores them"),
        "middleware": _unsupported(ANY, "middlewares are not loaded: use a proxy in front"),
        "notifications": _unsupported(
            ANY,
            "notifications are not sent: let stackgen.audit_log name a file, and hand on its lines, one for each push "
            "and delete (docs/moving-from-registry.md, Instead of webhooks)",
        ),
        "reporting": _unsupported(ANY, "reports are not sent: use the observability profile"),
        "redis": _needless(ANY, "no shared cache is needed"),
        "compatibility": _unsupported(ANY, "schema 1 images are refused: push them again with a client of today"),
        "proxy": Key(PROXY),
        "policy": _unsupported(ANY, "repository classes are not enforced"),
    }
)
