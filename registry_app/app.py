"""Builds every object of the service from its settings, then the two applications that serve it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import falcon

from registry_app.http.errors import install_error_handlers
from registry_app.http.health import Checks, Liveness

if TYPE_CHECKING:
    from registry_app.settings import RegistrySettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What one worker serves: the public application, and the one of the internal listener."""

    public: falcon.App[falcon.Request, falcon.Response]
    debug: falcon.App[falcon.Request, falcon.Response]


def build_service(settings: RegistrySettings) -> Service:  # noqa: ARG001
    """Everything that one worker process needs, made anew in each."""
    public = falcon.App()
    public.add_route("/healthz", Liveness())
    install_error_handlers(public)
    debug = falcon.App()
    debug.add_route("/debug/health", Checks({}))
    debug.add_route("/debug/ready", Checks({}))
    install_error_handlers(debug)
    return Service(public=public, debug=debug)


def create_app(settings: RegistrySettings) -> falcon.App[falcon.Request, falcon.Response]:
    """The public application, for any WSGI server."""
    return build_service(settings).public
