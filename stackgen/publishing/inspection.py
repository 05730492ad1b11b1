"""What a published Compose file would run, and what speaks against running it. Pure; the input is not trusted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml

from stackgen.distribution.addresses import parse_image
from stackgen.errors import StackgenError

# $$ is an escaped dollar; ${NAME:?message}, ${NAME:-default}, ${NAME} and $NAME are variables of Compose's.
_VARIABLE = re.compile(r"\$(?:\$|\{([A-Za-z_][A-Za-z0-9_]*)(:?\?)?[^}]*\}|([A-Za-z_][A-Za-z0-9_]*))")
_SOCKET = re.compile(r"(docker|podman|containerd)[^/]*\.sock")
_REACHING = {"privileged", "pid", "ipc", "uts", "cap_add", "devices", "userns_mode", "env_file", "build", "extends"}
# What a service may share with the host without it being said.
_HARMLESS = {None, False, "", "private"}


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
        services: dict[str, dict[str, Any]] = dict(project["services"])
        images = tuple(_image(name, service) for name, service in services.items())
        required, optional = _variables(content.decode())
        return Overview(
            version=str((project.get("x-stackgen") or {}).get("version") or "unknown"),
            images=images,
            ports=tuple(port for service in services.values() for port in _ports(service)),
            required=required,
            optional=optional,
            notable=tuple(line for name, service in services.items() for line in _notable(name, service)),
        )
    except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise StackgenError(f"its Compose file can't be read: {reason}", hint="don't run it") from error


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


def _variables(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(variables that must be set, others), by name."""
    found = [match for match in _VARIABLE.finditer(text) if match[1] or match[3]]
    required = {match[1] for match in found if match[2]}
    return tuple(sorted(required)), tuple(sorted({match[1] or match[3] for match in found} - required))


def _notable(name: str, service: dict[str, Any]) -> list[str]:
    lines = [f"{name}: {key}={service[key]}" for key in sorted(_REACHING & set(service)) if _tells(service[key])]
    if service.get("network_mode") == "host":
        lines.append(f"{name}: uses the host's network")
    for mount in service.get("volumes") or []:
        source = str(mount.get("source") if isinstance(mount, dict) else str(mount).rpartition(":")[0])
        if _SOCKET.search(source):
            lines.append(f"{name}: mounts the engine's socket {source}, which is as good as root")
        elif source.startswith(("/", ".", "~")):
            lines.append(f"{name}: mounts {source} of the host")
    return lines


def _tells(value: object) -> bool:
    return value not in _HARMLESS if not isinstance(value, list | dict) else bool(value)
