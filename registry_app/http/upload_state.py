"""The signature in the address of an upload: an address of another repository or registry is told from ours."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING

from registry_app.auth.watched import FileRefusedError, WatchedFile

if TYPE_CHECKING:
    from pathlib import Path

    from registry_app.oci.names import Repository


class UploadSigner:
    """Signs with the http secret, by a file that is reread when it changes.

    The file holds one secret a line: the first signs, each verifies, so that a rotation cuts no upload.
    """

    def __init__(self, *, secret: str, file: Path | None) -> None:
        fallback: tuple[bytes, ...] = (secret.encode() or secrets.token_bytes(32),)
        watched = WatchedFile(file, parse_secrets, fallback=fallback) if file is not None else None
        self._secrets = watched.current if watched is not None else lambda: fallback

    def sign(self, repository: Repository, upload: str) -> str:
        """The signature of an address."""
        return _signature(self._secrets()[0], repository, upload)

    def verifies(self, state: str | None, repository: Repository, upload: str) -> bool:
        """Whether a signature is ours; an absent one counts, for clients may build the address themselves."""
        if state is None:
            return True
        given = state.encode(errors="replace")
        return any(hmac.compare_digest(_signature(s, repository, upload).encode(), given) for s in self._secrets())


def parse_secrets(content: bytes) -> tuple[bytes, ...]:
    """The secrets of a file, newest first. Raises FileRefusedError where there is none."""
    found = tuple(line.strip() for line in content.splitlines() if line.strip())
    if not found:
        raise FileRefusedError("holds no secret")
    return found


def _signature(secret: bytes, repository: Repository, upload: str) -> str:
    return hmac.new(secret, f"{repository}\0{upload}".encode(), hashlib.sha256).hexdigest()
