"""When the certificate ends that clients really see: asked by a handshake, as any client would."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING

from registry_app.metrics.observation import Observation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ASKED_AGAIN_AFTER = 300.0
HANDSHAKE_SECONDS = 3.0


class CertificateProbe:
    """Reads the certificate of a TLS server, at most every five minutes; a failure is asked again after a minute."""

    def __init__(self, host: str, port: int, *, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._target = (host, port)
        self._name = name
        self._clock = clock
        self._lock = threading.Lock()
        self._known: float | None = None
        self._next = float("-inf")

    def observe(self) -> Iterator[Observation]:
        """Whether it could be read, and its end."""
        with self._lock:
            if self._clock() >= self._next:
                self._known = self._ask()
                self._next = self._clock() + (ASKED_AGAIN_AFTER if self._known is not None else ASKED_AGAIN_AFTER / 5)
            known = self._known
        yield Observation("registry_certificate_probe_success", 0 if known is None else 1)
        if known is not None:
            yield Observation("registry_certificate_expiry_timestamp_seconds", known)

    def _ask(self) -> float | None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # it is looked at, not trusted: an expired one is what we are after
        try:
            with (
                socket.create_connection(self._target, timeout=HANDSHAKE_SECONDS) as plain,
                context.wrap_socket(plain, server_hostname=self._name) as wrapped,
            ):
                encoded = wrapped.getpeercert(binary_form=True)
        except OSError:
            return None
        return None if encoded is None else end_of(encoded)


def end_of(encoded: bytes) -> float:
    """The end of a certificate in DER, as Unix time."""
    from cryptography import x509  # noqa: PLC0415 - slow to load, and needed by few

    return x509.load_der_x509_certificate(encoded).not_valid_after_utc.timestamp()
