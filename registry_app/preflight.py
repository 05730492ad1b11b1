"""What is looked at before the service starts: files and folders that the settings name and that can't be used."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from registry_app.storage import open_storage
from registry_app.storage.layout import Layout
from registry_app.storage.rights import why_barred, why_unreadable
from registry_app.storage.survey import survey
from registry_app.tls import make_context

if TYPE_CHECKING:
    from collections.abc import Iterator

    from registry_app.settings import RegistrySettings, TlsSettings

# A start should not wait for it: what lies deeper is named by `registry check`.
_LOOKED_INTO, _LOOKED_AT = 300, 1000


def find_obstacles(settings: RegistrySettings) -> Iterator[str]:
    """Why the service can't start, each with what to do."""
    try:
        open_storage(settings.storage.root)
    except OSError as error:
        yield _storage_obstacle(settings.storage.root, error)
    if settings.http.tls is not None:
        yield from _tls_obstacles(settings.http.tls)


def find_worries(settings: RegistrySettings) -> Iterator[str]:
    """What the service starts with all the same, and should not go unsaid."""
    secrets = {
        "auth.htpasswd.path": (settings.htpasswd.path if settings.htpasswd else None, "nobody can log in"),
        "stackgen.access_file": (settings.access_file, "nobody may do anything"),
        "stackgen.http_secret_file": (settings.http.secret_file, "a random secret is used until it can be read"),
    }
    for key, (path, consequence) in secrets.items():
        why = why_unreadable(path) if path is not None else None
        if why is not None:
            yield f"{key}: {path}: {why}: {consequence}"
    yield from map(str, survey(Layout(settings.storage.root), folders=_LOOKED_INTO, breadth=_LOOKED_AT))


def _storage_obstacle(root: Path, error: OSError) -> str:
    place = Path(error.filename or root)
    text = f"storage.filesystem.rootdirectory: {place}: {error.strerror}"
    why = why_barred(place) if isinstance(error, PermissionError) else None
    return text if why is None else f"{text}: {why} (with the old registry stopped, if one kept the volume)"


def _tls_obstacles(tls: TlsSettings) -> Iterator[str]:
    named = {"certificate": tls.certificate, "key": tls.key}
    named |= {f"clientcas.{place}": path for place, path in enumerate(tls.client_authorities)}
    whys = [(f"http.tls.{key}: {path}", why_unreadable(path)) for key, path in named.items()]
    if unreadable := [f"{name}: {why}" for name, why in whys if why is not None]:
        yield from unreadable
        return
    try:
        make_context(tls)
    except ssl.SSLError as error:
        yield f"http.tls: certificate and key can't be used: {error.reason or error}: do they belong together?"
