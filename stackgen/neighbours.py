"""Stacks in the folders beside one: their names and ports, whether they ever ran or not.

Nothing on a host lists every stack. What an engine holds is asked for (`projects`); what never ran can be seen where
people keep their stacks together, and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from stackgen.env_file import load_settings
from stackgen.errors import StackgenError
from stackgen.folder import StackFolder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MOST = 500
"""Folders that are looked at: more lie in no place where people keep stacks."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another stack: where it lies, its Compose project, and the ports that it wants at an address (None: at all)."""

    folder: Path
    project: str
    ports: frozenset[int]
    address: str | None

    def wants(self, port: int, address: str | None) -> bool:
        """Whether the two could not listen at the same time."""
        return port in self.ports and (self.address is None or address is None or self.address == address)


def find_neighbours(directory: Path) -> tuple[Neighbour, ...]:
    """The stacks beside a folder, by name; those that may not be read, or have wrong settings, are left out."""
    place = directory.resolve()
    try:
        beside = sorted(path for path in islice(place.parent.iterdir(), _MOST) if path != place)
    except OSError:
        return ()
    return tuple(one for path in beside for one in _look_at(path))


def _look_at(path: Path) -> Iterator[Neighbour]:
    folder = StackFolder(path)
    try:
        settings = load_settings(folder) if folder.is_stack() else None
    except (StackgenError, OSError):
        return
    if settings is not None:
        ports = {settings.https_port, settings.http_port if settings.proxy == "nginx" else 0} - {0, None}
        yield Neighbour(path, settings.compose_project_name, frozenset(ports), settings.bind_address)
