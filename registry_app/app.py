"""Builds every object of the service from its settings, then the two applications that serve it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import falcon

from registry_app.access import build_access
from registry_app.http.auditing import Auditing
from registry_app.http.base import BaseResource
from registry_app.http.blobs import BlobResource
from registry_app.http.errors import install_error_handlers
from registry_app.http.gate import Gate
from registry_app.http.health import Checks, Liveness
from registry_app.http.instrumentation import Instrumentation, MetricsPage
from registry_app.http.listings import CatalogResource, ReferrersResource, RepositoryResource, TagsResource
from registry_app.http.locations import Locations
from registry_app.http.manifests import ManifestResource
from registry_app.http.proxies import TrustedProxies
from registry_app.http.router import RegistryRouter
from registry_app.http.routes import add_routes
from registry_app.http.search import SearchPingResource, SearchResource
from registry_app.http.sending import BlobSender
from registry_app.http.upload_state import UploadSigner
from registry_app.http.uploads import UploadAnswers, UploadResource, UploadsResource
from registry_app.monitoring import Monitoring, build_monitoring
from registry_app.storage import open_storage
from registry_app.web.home import HomeResource

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from registry_app.access import Access
    from registry_app.auth.authorization import Authorizer
    from registry_app.auth.shared import SharedLogins
    from registry_app.metrics.sharing import SharedFolder
    from registry_app.settings import RegistrySettings
    from registry_app.storage import Storage


class Application(falcon.App[falcon.Request, falcon.Response]):
    """Falcon's application, whose middleware sees every request."""

    # Falcon would refuse its own pseudo-method before the middleware that has to say what the request is.
    _META_METHODS: ClassVar[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What one worker serves: the public application, and the one of the internal listener."""

    public: Application
    debug: Application
    storage: Storage
    monitoring: Monitoring | None


def build_service(
    settings: RegistrySettings,
    *,
    shared: SharedFolder | None = None,
    logins: SharedLogins | None = None,
    started: float | None = None,
) -> Service:
    """Everything that one worker process needs, made anew in each.

    `shared` is where all workers count, `logins` what they know together about logins.
    """
    storage = open_storage(settings.storage.root, reserve_bytes=settings.storage.reserve)
    monitoring = build_monitoring(settings, storage, shared=shared, started=started)
    access = build_access(settings, monitoring.traffic if monitoring else None, logins=logins)
    signer = UploadSigner(secret=settings.http.secret, file=settings.http.secret_file)
    return Service(
        public=build_public(settings, storage, access, monitoring, signer=signer),
        debug=build_debug(settings, storage, access, monitoring, signer=signer),
        storage=storage,
        monitoring=monitoring,
    )


def create_app(settings: RegistrySettings) -> Application:
    """The public application, for any WSGI server."""
    return build_service(settings).public


def build_public(
    settings: RegistrySettings, storage: Storage, access: Access, monitoring: Monitoring | None, *, signer: UploadSigner
) -> Application:
    """The application of the public listener."""
    proxies = TrustedProxies(settings.http.trusted_proxies)
    gate = Gate(
        access.authorizer,
        proxies=proxies,
        refuses_writes=lambda: settings.storage.read_only or storage.read_only,
        headers=settings.http.headers,
        prefix=settings.http.prefix,
    )
    # The clock spans everything else.
    clock = [Instrumentation(monitoring.traffic, prefix=settings.http.prefix)] if monitoring else []
    auditing = [Auditing(access.audit)] if access.audit is not None else []
    router = RegistryRouter()
    app = Application(middleware=[*clock, *auditing, gate], router=router)
    resources = build_resources(settings, storage, access.authorizer, proxies, signer=signer)
    add_routes(app, resources, prefix=settings.http.prefix)
    # What probes ask for, and upstream answers whatever its prefix is.
    router.add_alias("/", f"{settings.http.prefix}/")
    install_error_handlers(app)
    return app


def build_resources(
    settings: RegistrySettings,
    storage: Storage,
    authorizer: Authorizer,
    proxies: TrustedProxies,
    *,
    signer: UploadSigner,
) -> dict[str, object]:
    """Every resource by its name in the table of routes."""
    locations = Locations(settings.http, proxies)
    answers = UploadAnswers(locations, signer)
    sender = BlobSender(accelerator(settings, storage.layout.blobs))
    deletes = settings.storage.delete_enabled
    return {
        "home": HomeResource(locations.base_url, login=settings.htpasswd is not None),
        "liveness": Liveness(),
        "base": BaseResource(),
        "catalog": CatalogResource(storage, authorizer, locations, most=settings.catalog_most),
        "tags": TagsResource(storage, locations, most=settings.tags_most),
        "manifest": ManifestResource(
            storage, locations, delete_enabled=deletes, sparse=settings.storage.sparse_indexes
        ),
        "referrers": ReferrersResource(storage, locations),
        "uploads": UploadsResource(storage, authorizer, answers),
        "upload": UploadResource(storage.uploads, answers),
        "blob": BlobResource(storage.blobs, sender, delete_enabled=deletes),
        "repository": RepositoryResource(storage, delete_enabled=deletes),
        "search_ping": SearchPingResource(),
        "search": SearchResource(storage, authorizer),
    }


def accelerator(settings: RegistrySettings, blobs: Path) -> Callable[[Path], str] | None:
    """How nginx calls a blob's file, or None where no nginx stands in front."""
    location = settings.http.accel_redirect
    if not location:
        return None
    return lambda path: location + path.relative_to(blobs).as_posix()


def build_debug(
    settings: RegistrySettings, storage: Storage, access: Access, monitoring: Monitoring | None, *, signer: UploadSigner
) -> Application:
    """The application of the internal listener."""
    configured = "storage.maintenance.readonly is set: pulls alone are served" if settings.storage.read_only else None
    writable = {"storage": storage.why_unwritable, "mode": lambda: configured, **access.checks}
    app = Application()
    app.add_route("/healthz", Liveness())
    app.add_route("/debug/health", Checks({"storage": storage.why_unreadable}))
    notes = {"index": storage.index.why_incomplete, "http_secret": signer.why_stale}
    app.add_route("/debug/ready", Checks(writable, notes=notes))
    if monitoring is not None and settings.http.debug is not None:
        app.add_route(settings.http.debug.metrics_path, MetricsPage(monitoring.exposition))
    install_error_handlers(app)
    return app
