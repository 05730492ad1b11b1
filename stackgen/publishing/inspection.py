"""What a published Compose file would run, and what speaks against running it. Pure; the input is not trusted."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from stackgen.distribution.addresses import parse_image
from stackgen.errors import StackgenError
from stackgen.publishing.reaching import find_reach, inherited

if TYPE_CHECKING:
    from collections.abc import Iterable

# $$ is an escaped dollar; ${NAME:?message}, ${NAME:-default}, ${NAME} and $NAME are variables of Compose's.
_VARIABLE = re.compile(r"\$(?:\$|\{([A-Za-z_][A-Za-z0-9_]*)(:?\?)?|([A-Za-z_][A-Za-z0-9_]*))")
# Twice the longest layer.
_WEIGHT_LIMIT = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class RunningImage:
    """A service with its image, and the profiles without which it does not run."""

    service: str
    image: str
    pinned: bool
    profiles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Overview:
    """What a person wants to know before running it."""

    version: str
    images: tuple[RunningImage, ...]
    ports: tuple[str, ...]
    required: tuple[str, ...]
    optional: tuple[str, ...]
    notable: tuple[str, ...]
    """Everything that reaches into the host: mounts of it, the engine's socket, privileges."""

    @property
    def loose(self) -> tuple[str, ...]:
        """Images without a digest."""
        return tuple(one.image for one in self.images if not one.pinned)


def inspect_compose(content: bytes) -> Overview:
    """The overview of a Compose file; StackgenError where it is none."""
    try:
        project = yaml.safe_load(content)
        _refuse_bombs(project)
        services: dict[str, dict[str, Any]] = dict(project["services"])
        images = tuple(_image(name, service) for name, service in services.items())
        required, optional = _variables(content.decode(), services.values())
        return Overview(
            version=str((project.get("x-stackgen") or {}).get("version") or "unknown"),
            images=images,
            ports=tuple(port for service in services.values() for port in _ports(service)),
            required=required,
            optional=optional,
            notable=tuple(find_reach(project)),
        )
    except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        # In words of our own: Python's differ from one version to the next.
        said = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        reason = " ".join(said.split())[:200]
        raise StackgenError(f"its Compose file can't be read: {reason}", hint="don't run it") from error


def _refuse_bombs(document: object) -> None:
    """ValueError for a document that is endless once its aliases are written out, or as good as that."""
    if _weight(document, {}) > _WEIGHT_LIMIT:
        raise ValueError("its aliases stand for more than anybody could read")


def _weight(node: object, known: dict[int, float]) -> float:
    """How many characters and nodes a document has once its aliases are written out; endless for one in itself."""
    if not isinstance(node, dict | list):
        return len(node) if isinstance(node, str) else 1
    if id(node) not in known:
        known[id(node)] = math.inf
        inner = (*node.keys(), *node.values()) if isinstance(node, dict) else node
        known[id(node)] = 1 + sum(_weight(one, known) for one in inner)
    return known[id(node)]


def _image(name: str, service: dict[str, Any]) -> RunningImage:
    image = str(service["image"])
    try:
        pinned = "$" not in image and parse_image(image).digest is not None
    except StackgenError:
        pinned = False
    return RunningImage(name, image, pinned, tuple(map(str, service.get("profiles") or ())))


def _ports(service: dict[str, Any]) -> list[str]:
    ports = service.get("ports") or []
    return [f"{p.get('published')} → {p.get('target')}" if isinstance(p, dict) else str(p) for p in ports]


def _variables(text: str, services: Iterable[dict[str, Any]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(variables that must be set, others), by name."""
    found = [match for match in _VARIABLE.finditer(text) if match[1] or match[3]]
    required = {match[1] for match in found if match[2]}
    handed = {name for service in services for name in inherited(service)}
    return tuple(sorted(required)), tuple(sorted(({match[1] or match[3] for match in found} | handed) - required))
