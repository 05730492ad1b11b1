"""What a stack looks like right now: services, space, upkeep, and what is due."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from stackgen import docker, stack
from stackgen.diffing import CHANGING
from stackgen.doctor import probes
from stackgen.doctor.checks import check_docker
from stackgen.doctor.findings import Kind
from stackgen.embedded import serving_process
from stackgen.env_file import load_settings
from stackgen.errors import StackgenError
from stackgen.rotation.status import load_status
from stackgen.shell import stackgen_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from stackgen.doctor import facts
    from stackgen.folder import StackFolder
    from stackgen.settings import StackSettings

_UPKEEP = {"gc": "collection", "scrub": "scrub"}
_SECONDS = 20
_TROUBLE = {Kind.DOCKER_ABSENT, Kind.ENGINE_SILENT, Kind.COMPOSE_ABSENT}
"""Why the containers can't be seen."""


@dataclass(frozen=True, slots=True)
class Line:
    """One matter and what there is to say."""

    what: str
    text: str


@dataclass(frozen=True, slots=True)
class Overview:
    """One screen."""

    project: str
    address: str
    services: tuple[facts.Service, ...]
    trouble: tuple[Line, ...]
    embedded: int | None
    """The process that serves without Docker."""
    disk: facts.Disk | None
    runs: tuple[Line, ...]
    due: tuple[Line, ...]

    def as_json(self) -> dict[str, Any]:
        """For programs; the same names."""
        return asdict(self)


def look_at(folder: StackFolder, *, environ: Mapping[str, str], now: dt.datetime) -> Overview:
    """The overview of a stack; StackgenError for settings that can't be used."""
    settings = load_settings(folder)
    docker = probes.probe_docker(environ=environ)
    services = (probes.probe_services(folder) if docker.engine and docker.compose else None) or ()
    running = {service.name for service in services if service.state == "running"}
    return Overview(
        project=settings.compose_project_name,
        address=settings.external_url,
        services=services,
        trouble=tuple(_trouble(docker)),
        embedded=serving_process(folder),
        disk=probes.probe_disk(folder, settings, docker),
        runs=tuple(_upkeep(folder, now=now)) if "registry" in running else (),
        due=tuple(_due(folder, settings, now=now)),
    )


def _trouble(docker: facts.Docker) -> Iterator[Line]:
    for found in check_docker(docker):
        if found.kind in _TROUBLE:
            yield Line(found.place, f"{found.message}: {found.remedy}")


def _due(folder: StackFolder, settings: StackSettings, *, now: dt.datetime) -> Iterator[Line]:
    """Rotations, a render, pins."""
    try:
        ages = load_status(folder, settings, now=now)
    except StackgenError as error:
        yield Line("secrets", f"{error.message}: {error.hint}")
        ages = []
    for age in ages:
        if age.due:
            yield Line(
                age.what, f"{age.remark or f'{age.age_text} old'}: {stackgen_line(folder, 'rotate', '--status')}"
            )
    pending = [change for change in stack.draft(folder).changes if change.action in CHANGING]
    if pending:
        yield Line("render", f"{len(pending)} files differ from .env: {stackgen_line(folder, 'plan')}")


def _upkeep(folder: StackFolder, *, now: dt.datetime) -> Iterator[Line]:
    """When the running registry last collected and scrubbed, from the notes that it leaves in its volume."""
    for name, label in _UPKEEP.items():
        note = _note_of(folder, name)
        if note is not None:
            ago = now - dt.datetime.fromtimestamp(float(note["finished"]), dt.UTC)
            yield Line(label, f"{note.get('result', 'ended')} {since(ago)} ago")


def _note_of(folder: StackFolder, name: str) -> dict[str, Any] | None:
    path = f"/var/lib/registry/stackgen/runs/{name}.json"
    answer = docker.compose(folder, "exec", "-T", "registry", "cat", path, seconds=_SECONDS)
    try:
        note: dict[str, Any] = json.loads(answer.out)
        float(note["finished"])
    except (ValueError, KeyError, TypeError):
        return None
    return note


def since(span: dt.timedelta) -> str:
    """A time span as people say it, in its largest unit."""
    seconds = max(int(span.total_seconds()), 0)
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} seconds"
