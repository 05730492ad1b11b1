"""What is looked at before the service starts: files and folders that the settings name and that can't be used."""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING

from registry_app.storage import open_storage
from registry_app.tls import make_context

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from registry_app.settings import RegistrySettings


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
    repositories = settings.storage.root / "docker/registry/v2/repositories"
    if repositories.exists() and not os.access(repositories, os.W_OK):
        yield f"pushes will fail: {settings.storage.root} is not this user's: run `registry adopt` as root, once"


def _storage_obstacle(root: Path, error: OSError) -> str:
    text = f"storage.filesystem.rootdirectory: {error.filename or root}: {error.strerror}"
    if isinstance(error, PermissionError):
        owner = f"{os.geteuid()}:{os.getegid()}"
        text += (
            f": the service runs as {owner} and may not write there; if registry:2 or registry:3 kept the volume, "
            f"run `registry adopt --owner {owner}` as root, once, with the old one stopped"
        )
    return text


def _why_unreadable(path: Path) -> str | None:
    try:
        with path.open("rb"):
            return None
    except OSError as error:
        return error.strerror
