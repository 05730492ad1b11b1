"""The registry's config.yml for each place that it runs in: a container, or this machine itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stackgen.rendering import Renderer
from stackgen.values import parse_bytes, parse_duration

if TYPE_CHECKING:
    from stackgen.folder import StackFolder
    from stackgen.settings import StackSettings

TEMPLATE = "templates/config.yml.j2"


MOUNTED_SECRETS = "/auth"
"""Where the registry's container has the folder of users, rules and the http secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the registry finds its folders and listens; `certs` is None where nginx is in front of it."""

    data: str
    secrets: str
    logs: str
    listen: str
    certs: str | None
    debug_listen: str | None


def container_place(settings: StackSettings) -> Place:
    """The paths of the image that compose.yaml runs."""
    return Place(
        data="/var/lib/registry",
        secrets=MOUNTED_SECRETS,
        logs="/var/log/registry",
        listen="0.0.0.0:5000",
        certs="/certs" if settings.proxy == "none" else None,
        debug_listen="0.0.0.0:5001",
    )


def embedded_place(folder: StackFolder, settings: StackSettings, *, port: int) -> Place:
    """The stack's own folders, and loopback."""
    return Place(
        data=str((folder.resolve(settings.storage_dir) if settings.storage_dir else folder.data).absolute()),
        secrets=str(folder.secrets.absolute()),
        logs=str(folder.state.absolute()),
        listen=f"127.0.0.1:{port}",
        certs=str(folder.resolve(settings.certs_dir).absolute()),
        debug_listen=None,
    )


def render_config(settings: StackSettings, place: Place, *, version: str) -> str:
    """The text of config.yml."""
    names = {"settings": settings, "place": place, "version": version, "size": parse_bytes, "seconds": parse_duration}
    return Renderer(names).render(TEMPLATE)
