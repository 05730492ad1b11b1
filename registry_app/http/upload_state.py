"""The signature in the address of an upload: an address of another repository or registry is told from ours."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from typing import TYPE_CHECKING

from registry_app.auth.http_secret import HttpSecret, parse_secrets
from registry_app.auth.watched import WatchedFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from registry_app.oci.names import Repository


class UploadSigner:
    """Signs with the http secret, by a file that is reread when it changes.

    The first secret of the file signs, each that counts verifies, so that a rotation cuts no upload: a worker that
    meets a signature it does not know looks at the file at once, for another may have read a new secret before it.
    """

    def __init__(self, *, secret: str, file: Path | None, clock: Callable[[], float] = time.time) -> None:
        fallback: tuple[HttpSecret, ...] = (HttpSecret(secret.encode() or secrets.token_bytes(32)),)
        watched = WatchedFile(file, parse_secrets, fallback=fallback) if file is not None else None
        self._secrets = watched.current if watched is not None else lambda: fallback
        self._latest_secrets = watched.latest if watched is not None else lambda: fallback
        self.why_stale = watched.why_stale if watched is not None else lambda: None
        self._clock = clock

    def sign(self, repository: Repository, upload: str) -> str:
        """The signature of an address."""
        return _signature(self._secrets()[0].text, repository, upload)

    def verifies(self, state: str | None, repository: Repository, upload: str) -> bool:
        """Whether a signature is ours; an absent one counts, for clients may build the address themselves."""
        if state is None:
            return True
        given, now = state.encode(errors="replace"), self._clock()

        def known(secrets: tuple[HttpSecret, ...]) -> bool:
            good = [_signature(one.text, repository, upload) for one in secrets if one.counts(now)]
            return any(hmac.compare_digest(one.encode(), given) for one in good)

        return known(self._secrets()) or known(self._latest_secrets())


def _signature(secret: bytes, repository: Repository, upload: str) -> str:
    return hmac.new(secret, f"{repository}\0{upload}".encode(), hashlib.sha256).hexdigest()
