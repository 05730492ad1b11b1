"""The TLS context of the direct listener; a changed certificate is served without a restart."""

from __future__ import annotations

import logging
import ssl
import threading
from typing import TYPE_CHECKING, Any

from registry_app.sockets import PatientTlsSocket

if TYPE_CHECKING:
    from pathlib import Path

    from registry_app.settings import TlsSettings

# Mozilla's guideline 6.0, intermediate: ECDHE with an AEAD and nothing else below TLS 1.3.
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
MINIMUM = {"tls1.2": ssl.TLSVersion.TLSv1_2, "tls1.3": ssl.TLSVersion.TLSv1_3}

log = logging.getLogger("registry.tls")


class ContextKeeper:
    """Gives the context of the files as they are now; keeps the last good one while new files are unusable."""

    def __init__(self, settings: TlsSettings) -> None:
        self._settings = settings
        self._files = (settings.certificate, settings.key, *settings.client_authorities)
        self._lock = threading.Lock()
        self._seen = _versions(self._files)  # first: files that change meanwhile are looked at again
        self._context = make_context(settings)

    def context(self, _configuration: Any, _default: Any) -> ssl.SSLContext:
        """The context for one connection, in the shape of the hook that gunicorn calls."""
        versions = _versions(self._files)
        if versions != self._seen:
            with self._lock:
                self._renew(versions)
        return self._context

    def _renew(self, versions: tuple[Any, ...]) -> None:
        if versions == self._seen:
            return
        self._seen = versions
        try:
            self._context = make_context(self._settings)
            log.info("the certificate changed and is served now: %s", self._settings.certificate)
        except OSError as error:  # ssl.SSLError is one
            log.error("the new certificate is not usable, the old one stays: %s", error)  # noqa: TRY400 - no traceback


def make_context(settings: TlsSettings) -> ssl.SSLContext:
    """A server's context. Raises OSError (ssl.SSLError is one) where a file is missing or does not fit the other."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sslsocket_class = PatientTlsSocket
    context.minimum_version = MINIMUM[settings.minimum]
    context.set_ciphers(CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(settings.certificate, settings.key)
    for authority in settings.client_authorities:
        context.load_verify_locations(authority)
    if settings.client_authorities:
        context.verify_mode = ssl.CERT_REQUIRED if settings.client_required else ssl.CERT_OPTIONAL
    return context


def _versions(files: tuple[Path, ...]) -> tuple[Any, ...]:
    return tuple(_version(path) for path in files)


def _version(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino
