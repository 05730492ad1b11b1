"""Builds what counts and tells about the service: what is counted as it happens, what is read at each scrape."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry_app.gc.scrub import quarantined
from registry_app.maintenance import schedule_of
from registry_app.metrics import sources
from registry_app.metrics.certificates import CertificateProbe
from registry_app.metrics.exposition import Exposition
from registry_app.metrics.recent import Recent
from registry_app.metrics.recording import Recorder
from registry_app.metrics.slow_counts import SlowCount
from registry_app.metrics.traffic import Traffic
from registry_app.storage.counting import count_uploads

if TYPE_CHECKING:
    from registry_app.metrics.observation import Source
    from registry_app.metrics.sharing import SharedFolder
    from registry_app.settings import RegistrySettings
    from registry_app.storage import Storage


SETTLED_EVERY_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitoring:
    """What one worker counts with, and what it tells about all of them."""

    traffic: Traffic
    recent: Recent
    exposition: Exposition

    def settle(self) -> None:
        """Puts what was counted where the other workers find it."""
        self.traffic.count()
        with suppress(OSError):  # a full disk: the next time
            self.recent.flush()

    def settle_for_ever(self) -> None:
        """The same every second, as long as this process lives."""
        threading.Thread(target=self._settle_for_ever, name="metrics", daemon=True).start()

    def _settle_for_ever(self) -> None:
        while True:
            time.sleep(SETTLED_EVERY_SECONDS)
            self.settle()


def build_monitoring(
    settings: RegistrySettings, storage: Storage, *, shared: SharedFolder | None, started: float | None = None
) -> Monitoring | None:
    """The metrics of a worker; None where nobody could read them. `shared` is where all workers count."""
    if settings.http.debug is None or not settings.http.debug.metrics:
        return None
    slot = None if shared is None else shared.claim_slot()
    recent = Recent(None if shared is None else shared.path / f"recent_{slot}.json")
    recorder = Recorder(None if shared is None else shared.open_row())
    told = {
        "service": sources.service(configured=settings.workers, shared=shared, started=started or time.time()),
        "recent counts": sources.recent_boards(recent, shared),
        **_storage_sources(settings, storage),
        **_credential_sources(settings),
    }
    traffic = Traffic(recorder, recent)
    page = Exposition(recorder, told, shared=shared, settle=traffic.count)
    return Monitoring(traffic=traffic, recent=recent, exposition=page)


def _storage_sources(settings: RegistrySettings, storage: Storage) -> dict[str, Source]:
    schedule = schedule_of(settings)
    return {
        "disk": sources.disk(storage.layout.root, reserve=settings.storage.reserve),
        "storage": sources.states(
            {
                "registry_storage_readable": storage.why_unreadable,
                "registry_storage_writable": lambda: _why_no_pushes(settings, storage),
            }
        ),
        "counts of the store": sources.numbers(
            {
                "registry_upload_sessions": SlowCount(lambda: count_uploads(storage.layout)),
                "registry_quarantined_blobs": lambda: len(quarantined(storage)),
            }
        ),
        "index": sources.index(storage.index.state, SlowCount(storage.index.count)),
        "size of the index": sources.numbers({"registry_index_size_bytes": lambda: storage.index.size}),
        "maintenance": sources.maintenance(
            {task: storage.layout.run(task) for task in ("gc", "scrub")},
            intervals={"gc": schedule.collect_every, "scrub": schedule.scrub_every},
        ),
    }


def _why_no_pushes(settings: RegistrySettings, storage: Storage) -> str | None:
    return "read-only by configuration" if settings.storage.read_only else storage.why_unwritable()


def _credential_sources(settings: RegistrySettings) -> dict[str, Source]:
    files = {
        "htpasswd": settings.htpasswd.path if settings.htpasswd else None,
        "http_secret": settings.http.secret_file,
        "tls_key": settings.http.tls.key if settings.http.tls else None,
    }
    found: dict[str, Source] = {"secrets": sources.secret_files(files)}
    probe = _certificate_probe(settings)
    if probe is not None:
        found["certificate"] = probe.observe
    return found


def _certificate_probe(settings: RegistrySettings) -> CertificateProbe | None:
    """Where to see the certificate that clients see: our own listener's, or that of the proxy in front."""
    http = settings.http
    if http.tls is not None and not http.address.socket:
        host = "127.0.0.1" if http.address.host in {"", "0.0.0.0", "::"} else http.address.host  # noqa: S104
        return CertificateProbe(host, http.address.port, name="localhost")
    if http.debug is None or http.debug.certificate_probe is None:
        return None
    place = http.debug.certificate_probe
    return CertificateProbe(place.host, place.port, name=http.debug.certificate_name or place.host)
