"""That certificate and key were found good, remembered by their bytes: to look again is a fifth of a render's work.

Knows nothing of certificates, so that a render that needs no look loads nothing that does.
"""

from __future__ import annotations

import hashlib
import json
import time
from typing import TYPE_CHECKING

from registry_app import __version__
from stackgen.writing import ensure_state, write_text

if TYPE_CHECKING:
    from stackgen.folder import StackFolder
    from stackgen.settings import StackSettings

_PAIR = ("fullchain.pem", "privkey.pem", "public.crt", "private.key", "ca.crt")
_AUTHORITY = ("ca.crt", "ca.key")


def recall(folder: StackFolder, settings: StackSettings) -> bool:
    """Whether these very files were found good for this host, and are in date still."""
    try:
        seen = json.loads(folder.certificate_seen.read_text(encoding="utf-8"))
        in_date = seen["since"] <= time.time() < seen["until"]
        return bool(in_date and seen["of"] == _fingerprint(folder, settings))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def remember(folder: StackFolder, settings: StackSettings, *, since: float, until: float) -> None:
    """Keeps that they are good between two moments, in seconds since the epoch."""
    seen = {"of": _fingerprint(folder, settings), "since": since, "until": until}
    ensure_state(folder)
    write_text(folder.certificate_seen, json.dumps(seen) + "\n")


def _fingerprint(folder: StackFolder, settings: StackSettings) -> str:
    """One hash over everything that the verdict depends on, and who judged; OSError for a file that can't be read."""
    certs = folder.resolve(settings.certs_dir)
    total = hashlib.sha256(f"{__version__}\0{settings.tls}\0{settings.host}\0".encode())
    for path in (*(certs / name for name in _PAIR), *(folder.authority / name for name in _AUTHORITY)):
        try:
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        except FileNotFoundError:
            content = "none"
        total.update(f"{path.name}\0{content}\0".encode())
    return total.hexdigest()
