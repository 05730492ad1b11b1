"""The one table of metrics: name, kind, labels with the values they may take, and what a value means.

Every label is bounded, by a closed list or by a number, so that no client can make the number of series grow.
`registry_http_*` has the names, labels and buckets of distribution; the pages in docs/ are made from this table.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Kind(Enum):
    """What Prometheus calls the type; a gauge that workers count is the sum over the living ones."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class AtMost:
    """A label whose values come from the service's own data: so many at a time, and no more."""

    number: int
    of: str


Values = tuple[str, ...] | AtMost


@dataclass(frozen=True, slots=True)
class Definition:
    """One metric. `counted`: workers add to it as things happen; otherwise it is read at each scrape."""

    name: str
    kind: Kind
    help: str
    labels: Mapping[str, Values] = field(default_factory=dict)
    buckets: tuple[float, ...] = ()
    counted: bool = False

    @property
    def most_series(self) -> int:
        """The number of series that it can never exceed."""
        number = 1
        for values in self.labels.values():
            number *= values.number if isinstance(values, AtMost) else len(values)
        # A histogram has a series for each bucket, one for all, the sum and the count.
        return number * (len(self.buckets) + 3) if self.kind is Kind.HISTOGRAM else number


# distribution's names of routes; the rest are addresses that it does not have. `none` is an address nobody serves.
HANDLERS = (
    "base",
    "catalog",
    "tags",
    "manifest",
    "blob",
    "blob_upload",
    "blob_upload_chunk",
    "referrers",
    "repository",
    "search",
    "search_ping",
    "home",
    "liveness",
    "none",
)
METHODS = ("get", "head", "post", "put", "patch", "delete", "options", "unknown")
CODES = (
    *("200", "201", "202", "204", "206", "304", "400", "401", "403", "404", "405", "408", "412", "413", "414"),
    *("416", "417", "429", "431", "500", "501", "503", "507", "other"),
)
# ok: 2xx or 304; refused: any 4xx; failed: any 5xx, 507 for a full disk among them.
OUTCOMES = ("ok", "refused", "failed")
DURATION_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 60.0)
TASKS = ("gc", "scrub")
SECRETS = ("htpasswd", "http_secret", "tls_key")
TOP = 10
WINDOW_MINUTES = 15
"""`registry_recent_*` tell about so many minutes."""


def _counted(kind: Kind, name: str, meaning: str, **labels: tuple[str, ...]) -> Definition:
    buckets = DURATION_BUCKETS if kind is Kind.HISTOGRAM else ()
    return Definition(name, kind, meaning, dict(labels), buckets, counted=True)


def _read(name: str, meaning: str, **labels: Values) -> Definition:
    return Definition(name, Kind.GAUGE, meaning, dict(labels))


_REQUESTS = (
    _counted(
        Kind.COUNTER,
        "registry_http_requests_total",
        "HTTP requests answered.",
        handler=HANDLERS,
        code=CODES,
        method=METHODS,
    ),
    _counted(
        Kind.HISTOGRAM,
        "registry_http_request_duration_seconds",
        "Time from the request's first line to the end of the answer that the registry itself sends; without wrong "
        "logins, which are kept waiting on purpose.",
        handler=HANDLERS,
        method=METHODS,
    ),
    _counted(Kind.GAUGE, "registry_http_in_flight_requests", "HTTP requests being answered now.", handler=HANDLERS),
)
_TRAFFIC = (
    _counted(Kind.COUNTER, "registry_pushes_total", "Manifests pushed, by how that ended.", outcome=OUTCOMES),
    _counted(Kind.COUNTER, "registry_pulls_total", "Manifests pulled, by how that ended.", outcome=OUTCOMES),
    _counted(Kind.COUNTER, "registry_deletes_total", "Deletions of anything, by how they ended.", outcome=OUTCOMES),
    _counted(
        Kind.COUNTER,
        "registry_pushed_bytes_total",
        "Bytes of blobs and manifests received, by how the request ended.",
        outcome=OUTCOMES,
    ),
    _counted(
        Kind.COUNTER,
        "registry_pulled_bytes_total",
        "Bytes of blobs and manifests handed out; behind nginx, what it was told to send. Of an interrupted pull it is "
        "the size that was asked for, not what went out.",
        outcome=("ok", "interrupted"),
    ),
    _read(
        "registry_upload_sessions",
        "Blob uploads begun and not yet ended, as counted minutes ago at most; absent until the first count is done.",
    ),
)
_ACCESS = (
    _counted(
        Kind.COUNTER,
        "registry_auth_requests_total",
        "Requests that asked for a right: accepted with a login, anonymous (let in without one), challenged (asked to "
        "log in), failed (wrong login), throttled (too many wrong ones), denied (a user without the right).",
        result=("accepted", "anonymous", "challenged", "failed", "throttled", "denied"),
    ),
    _counted(
        Kind.COUNTER,
        "registry_verification_cache_total",
        "Logins whose password was checked lately (hit) or had to be checked (miss).",
        result=("hit", "miss"),
    ),
)
_STORAGE = (
    _read("registry_storage_free_bytes", "Free space of the disk that holds the images, as an ordinary user sees it."),
    _read("registry_storage_size_bytes", "Size of that disk."),
    _read("registry_storage_reserve_bytes", "Free space below which pushes are refused."),
    _read("registry_storage_free_inodes", "Files that still fit on that disk; absent where the disk has no limit."),
    _read("registry_storage_readable", "1 when images can be read."),
    _read("registry_storage_writable", "1 when pushes are taken: disk writable, reserve not reached, not read-only."),
    _read("registry_quarantined_blobs", "Blobs that a scrub found damaged and that nobody has healed since."),
)
_AS_KNOWN = "as known at the last comparison with the tree (every five minutes, on large trees less often) or list"
_INDEX = (
    _read(
        "registry_index_complete",
        "1 when the index was compared with the whole tree; 0 while it is made anew, or its file can't be used, and "
        "lists are read from the tree.",
    ),
    _read("registry_index_reconciled_timestamp_seconds", "When index and tree were last compared, as Unix time."),
    _read("registry_index_reconciliation_duration_seconds", "How long that took."),
    _read("registry_index_repositories", "Repositories that were found then."),
    _read("registry_index_manifests", f"Manifests that the index knows, {_AS_KNOWN}."),
    _read(
        "registry_index_referrers",
        f"Manifests among them that refer to another, signatures and attestations, {_AS_KNOWN}.",
    ),
    _read("registry_index_size_bytes", "Size of the index."),
)
_MAINTENANCE = (
    _read("registry_maintenance_last_run_timestamp_seconds", "When the last run ended, as Unix time.", task=TASKS),
    _read("registry_maintenance_last_run_duration_seconds", "How long the last run took.", task=TASKS),
    _read("registry_maintenance_last_run_success", "1 when the last run ended as it should.", task=TASKS),
    _read(
        "registry_maintenance_interval_seconds", "Time between two runs; absent where none is scheduled.", task=TASKS
    ),
    _read("registry_gc_last_run_freed_bytes", "Bytes that the last collection took out of the store."),
    _read("registry_gc_last_run_removed_blobs", "Blobs that the last collection took out of the store."),
    _read("registry_scrub_last_run_checked_bytes", "Bytes that the last scrub compared with their digests."),
    _read("registry_scrub_last_run_damaged_blobs", "Blobs that did not match their digests in the last scrub."),
)
_CREDENTIALS = (
    _read("registry_certificate_expiry_timestamp_seconds", "When the certificate that clients see ends, as Unix time."),
    _read("registry_certificate_probe_success", "1 when that certificate could be read."),
    _read("registry_secret_changed_timestamp_seconds", "When a secret file was last changed.", secret=SECRETS),
)
_RECENT = (
    _read(
        "registry_recent_repository_failures",
        "Requests that failed with 5xx in the last 15 minutes: the repositories with the most of them.",
        repository=AtMost(TOP, "repositories"),
    ),
    _read(
        "registry_recent_repository_bytes",
        "Bytes in the last 15 minutes: the repositories with the most of them; interrupted pulls are left out.",
        repository=AtMost(TOP, "repositories"),
        direction=("push", "pull"),
    ),
    _read(
        "registry_recent_user_failed_logins",
        "Wrong logins in the last 15 minutes: the users with the most of them; (unknown) for names that nobody has.",
        user=AtMost(TOP, "users"),
    ),
    _read(
        "registry_recent_address_failed_logins",
        "Wrong logins in the last 15 minutes: the addresses with the most of them.",
        address=AtMost(TOP, "addresses"),
    ),
)
_SERVICE = (
    _read("registry_build_info", "1; the label says which version runs.", version=AtMost(1, "versions")),
    _read("registry_start_timestamp_seconds", "When the service was started, as Unix time."),
    _read("registry_workers", "Worker processes.", state=("serving", "configured")),
    _read("registry_observation_errors", "Groups of values that could not be read for this scrape; the log says why."),
)

DEFINITIONS: tuple[Definition, ...] = (
    *_REQUESTS,
    *_TRAFFIC,
    *_ACCESS,
    *_STORAGE,
    *_INDEX,
    *_MAINTENANCE,
    *_CREDENTIALS,
    *_RECENT,
    *_SERVICE,
)
BY_NAME: Mapping[str, Definition] = {definition.name: definition for definition in DEFINITIONS}
