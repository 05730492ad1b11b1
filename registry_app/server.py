"""The gunicorn server: how many, how long, which sockets. What is served is `registry_app.app`."""

from __future__ import annotations

import importlib
import logging
import os
import resource
import secrets
import socket
import tempfile
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

from registry_app.app import build_service
from registry_app.auth.shared import SharedLogins
from registry_app.debug_listener import open_debug_socket, start_debug_listener
from registry_app.index_keeper import IndexKeeper
from registry_app.logs import logging_configuration
from registry_app.maintenance_process import start_maintenance
from registry_app.metrics.sharing import open_shared_folder
from registry_app.preflight import find_worries
from registry_app.storage.layout import Layout
from registry_app.tls import ContextKeeper

if TYPE_CHECKING:
    from pathlib import Path

    from gunicorn.workers.base import Worker

    from registry_app.app import Service
    from registry_app.settings import Address, RegistrySettings

# Above nginx's own 60 s for idle upstream connections, so that nginx closes first and no request meets a closed door.
KEEPALIVE_SECONDS = 75
# A worker of kind gthread reports to its parent from its main loop, whatever its threads do: no upload is too long.
WORKER_TIMEOUT_SECONDS = 60

log = logging.getLogger("registry.server")


class PortTakenError(Exception):
    """An address can't be listened on; the text names it."""


def load_before_forks(settings: RegistrySettings) -> None:
    """Loads once what every worker will need, and what not every registry needs."""
    if settings.access_file is not None and settings.access_file.exists():
        importlib.import_module("registry_app.auth.access_file")


def serve(settings: RegistrySettings) -> None:
    """Serves until a signal says stop; running requests then have `drain_timeout` to finish. Raises PortTakenError."""
    for key, address in (("http.addr", settings.http.address), ("http.debug.addr", _debug_address(settings))):
        if address is not None and (why := why_not_bindable(address)) is not None:
            raise PortTakenError(f"{key}: {bind_text(address)}: {why}")
    load_before_forks(settings)
    settle_temporary_files(settings.storage.root)
    # A core dump would hold the passwords of clients.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Each connection is an open file: with the 1,024 of a shell a worker would have none left for what it serves.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    RegistryServer(settings).run()


def settle_temporary_files(root: Path) -> None:
    """Lets temporary files lie in memory, else in the store, where a read-only container has no other place."""
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        memory = "/dev/shm"  # noqa: S108 - each file in it has a name of its own
        tempfile.tempdir = memory if os.access(memory, os.W_OK) else str(Layout(root).own)


def why_not_bindable(address: Address) -> str | None:
    """Why an address can't be listened on now, or None; a unix socket's path is left to gunicorn."""
    if address.socket:
        return None
    host = _host(address)
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        # Bound, never listened on: whoever connected to it would believe that the service is up, and be cut.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, address.port))
        except OSError as error:
            return error.strerror
    return None


def _host(address: Address) -> str:
    return address.host or ("::" if socket.has_dualstack_ipv6() else "0.0.0.0")  # noqa: S104 - what an empty host means


def _debug_address(settings: RegistrySettings) -> Address | None:
    return settings.http.debug.address if settings.http.debug else None


class QuietLogger(Logger):
    """gunicorn's log without its access lines: the application writes those, with what only it knows."""

    def access(self, resp: Any, req: Any, environ: Any, request_time: Any) -> None:
        """Nothing."""


class RegistryServer(BaseApplication):
    """The service under gunicorn's arbiter; each worker builds its own objects after the fork."""

    def __init__(self, settings: RegistrySettings) -> None:
        self.settings = with_shared_secret(settings)
        self._debug_socket = open_debug_socket(settings.http.debug.address) if settings.http.debug else None
        self._shared = open_shared_folder() if settings.http.debug and settings.http.debug.metrics else None
        self._logins = SharedLogins()
        self._started = time.time()
        self._service: Service | None = None
        super().__init__()

    def load_config(self) -> None:
        """Hands our settings to gunicorn; its own files, arguments and environment are not read."""
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        for name, value in gunicorn_options(self.settings, files=files).items():
            self.cfg.set(name, value)
        self.cfg.set("when_ready", lambda _arbiter: self._announce())
        self.cfg.set("post_worker_init", self._start_worker)
        self.cfg.set("worker_exit", lambda _arbiter, _worker: self._stop_worker())
        self.cfg.set("on_exit", lambda _arbiter: self._shared.remove() if self._shared else None)

    def load(self) -> Any:
        """The WSGI application of one worker."""
        self._service = build_service(self.settings, shared=self._shared, logins=self._logins, started=self._started)
        return self._service.public

    def count_refusal(self, status: int) -> None:
        """Counts what was no request, so that the application never saw it."""
        if self._service is not None and self._service.monitoring is not None:
            self._service.monitoring.traffic.refused(status)

    def _announce(self) -> None:
        for line in (*self.settings.notices, *exposure_warnings(self.settings), *find_worries(self.settings)):
            log.warning("%s", line)

    def _start_worker(self, _worker: Worker) -> None:
        if self._service is not None:
            IndexKeeper(self._service.storage).start()
            start_maintenance(self._service.storage, self.settings)
            if self._service.monitoring is not None:
                self._service.monitoring.settle_for_ever()
        if self._service is not None and self._debug_socket is not None:
            start_debug_listener(self._debug_socket, self._service.debug)

    def _stop_worker(self) -> None:
        if self._service is not None and self._service.monitoring is not None:
            self._service.monitoring.settle()


def with_shared_secret(settings: RegistrySettings) -> RegistrySettings:
    """Settings whose workers all sign with one secret, made at random where none is configured, or can be read."""
    if settings.http.secret:
        return settings
    return replace(settings, http=replace(settings.http, secret=secrets.token_hex(32)))


def gunicorn_options(settings: RegistrySettings, *, files: int) -> dict[str, Any]:
    """Every gunicorn setting that differs from its default; `files` may be open in one process. Pure."""
    http = settings.http
    options: dict[str, Any] = {
        "bind": [bind_text(http.address)],
        "workers": settings.workers,
        "threads": settings.threads,
        "worker_class": "registry_app.worker.RegistryWorker",
        # A request may open one more, and a worker that can't accept for want of files ends.
        "worker_connections": max(settings.threads + 1, min(max(1000, 4 * settings.threads), files * 3 // 4)),
        "timeout": WORKER_TIMEOUT_SECONDS,
        "graceful_timeout": max(1, int(http.drain_timeout)),
        "keepalive": KEEPALIVE_SECONDS,
        "proc_name": "registry",
        # Forwarded headers are judged by the application alone, against its own list of trusted networks.
        "secure_scheme_headers": {},
        "forwarder_headers": "",
        # So nobody needs to be looked up in a list of who may send them.
        "forwarded_allow_ips": "*",
        # And no C parser is taken because it happens to be installed: see docs/decisions/0061-small-requests.md.
        "http_parser": "python",
        "header_map": "drop",
        "control_socket_disable": True,
        "logger_class": QuietLogger,
        "logconfig_dict": logging_configuration(settings.log),
    }
    if http.tls is not None:
        options |= {
            "certfile": str(http.tls.certificate),
            "keyfile": str(http.tls.key),
            "ssl_context": ContextKeeper(http.tls).context,
            "do_handshake_on_connect": False,
        }
    return options


def bind_text(address: Address) -> str:
    """An address as gunicorn writes it; no host means every interface, IPv6 included where the kernel has it."""
    if address.socket:
        return f"unix:{address.socket}"
    host = _host(address)
    return f"[{host}]:{address.port}" if ":" in host else f"{host}:{address.port}"


def exposure_warnings(settings: RegistrySettings) -> list[str]:
    """What a person should know who starts a registry without encryption or without users. Pure."""
    warnings = []
    if settings.htpasswd is None:
        may = "push, pull and delete" if settings.access_file is None else "do what the access file opens to anonymous"
        warnings.append(f"no authentication: everyone who reaches this port can {may} (set auth.htpasswd)")
    if settings.http.tls is None and not settings.http.trusted_proxies:
        warnings.append(
            "plain HTTP: passwords and images travel unencrypted (set http.tls, or put a TLS proxy in front)"
        )
    return warnings
