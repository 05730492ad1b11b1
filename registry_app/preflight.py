"""What is looked at before the service starts: files and folders that the settings name and that can't be used."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from registry_app.storage import open_storage
from registry_app.storage.layout import Layout
from registry_app.storage.rights import why_barred
from registry_app.storage.survey import survey
from registry_app.tls import make_context

if TYPE_CHECKING:
    from collections.abc import Iterator

    from registry_app.settings import RegistrySettings

# A start should not wait for it: what lies deeper is named by `registry check`.
_LOOKED_INTO, _LOOKED_AT = 300, 1000


def find_obstacles(settings: RegistrySettings) -> Iterator[str]:
    """Why the service can't start, each with what to do."""
    try:
        open_storage(settings.storage.root)
    except OSError as error:
        yield _storage_obstacle(settings.storage.root, error)
    if settings.http.tls is not None:
        try:
            make_context(settings.http.tls)
        except ssl.SSLError as error:
            yield f"http.tls: certificate and key can't be used: {error.reason or error}: do they belong together?"
        except OSError as error:
            yield f"http.tls: {error.filename or settings.http.tls.certificate}: {error.strerror}"


def find_worries(settings: RegistrySettings) -> Iterator[str]:
    """What the service starts with all the same, and should not go unsaid."""
    secrets = {
        "auth.htpasswd.path": (settings.htpasswd.path if settings.htpasswd else None, "nobody can log in"),
        "stackgen.access_file": (settings.access_file, "nobody may do anything"),
        "stackgen.http_secret_file": (settings.http.secret_file, "a random secret is used until it can be read"),
    }
    for key, (path, consequence) in secrets.items():
        why = _why_unreadable(path) if path is not None else None
        if why is not None:
            yield f"{key}: {path}: {why}: {consequence}"
    yield from map(str, survey(Layout(settings.storage.root), folders=_LOOKED_INTO, breadth=_LOOKED_AT))


def _storage_obstacle(root: Path, error: OSError) -> str:
    place = Path(error.filename or root)
    text = f"storage.filesystem.rootdirectory: {place}: {error.strerror}"
    why = why_barred(place) if isinstance(error, PermissionError) else None
    return text if why is None else f"{text}: {why} (with the old registry stopped, if one kept the volume)"


def _why_unreadable(path: Path) -> str | None:
    try:
        with path.open("rb"):
            return None
    except OSError as error:
        return error.strerror
