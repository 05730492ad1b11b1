"""What a stack looks like right now: services, space, upkeep, and what is due."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from stackgen import docker
from stackgen.doctor import probes
from stackgen.doctor.examination import NO_ENGINE, examine_engine, examine_stack, meet
from stackgen.doctor.findings import Finding, Kind, Severity
from stackgen.env_file import load_settings
from stackgen.errors import StackgenError
from stackgen.losses import find_loss
from stackgen.rotation.status import load_status
from stackgen.shell import stackgen_line
from stackgen.values import say_span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from stackgen.doctor import facts
    from stackgen.folder import StackFolder
    from stackgen.settings import StackSettings

_UPKEEP = {"gc": "collection", "scrub": "scrub"}
_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Line:
    """One matter, what there is to say, and what to do about it."""

    what: str
    text: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Overview:
    """One screen."""

    project: str
    address: str
    services: tuple[facts.Service, ...]
    trouble: tuple[Line, ...]
    """Why containers can't be seen, and why nothing runs."""
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
    patient = meet(folder, settings, probes.probe_docker(environ=environ))
    running = {service.name for service in patient.services or () if service.state == "running"}
    engine = [one for one in examine_engine(patient) if one.kind in NO_ENGINE]
    stack = list(examine_stack(patient))
    return Overview(
        project=settings.compose_project_name,
        address=settings.external_url,
        services=patient.services or (),
        trouble=tuple(map(_line, [*engine, *(one for one in stack if one.kind is Kind.STACK_STOPPED)])),
        embedded=patient.embedded.process,
        disk=probes.probe_disk(folder, settings, patient.docker, without_docker=patient.without_docker),
        runs=tuple(_upkeep(folder, now=now)) if "registry" in running else (),
        due=(
            *(_line(one) for one in stack if one.kind.severity > Severity.NOTE),
            *_rotations(folder, settings, now=now),
        ),
    )


def _line(finding: Finding) -> Line:
    return Line(finding.place, finding.message, finding.remedy)


def _rotations(folder: StackFolder, settings: StackSettings, *, now: dt.datetime) -> Iterator[Line]:
    """Secrets that are to be changed by their age."""
    try:
        ages = load_status(folder, settings, now=now)
    except StackgenError as error:
        if find_loss(folder, folder.htpasswd) is None:  # or it was said before
            yield Line("secrets", error.message, error.hint)
        return
    for age in ages:
        if age.due and age.days is not None:
            yield Line(age.what, age.remark or f"{age.age_text} old", stackgen_line(folder, "rotate", "--status"))


def _upkeep(folder: StackFolder, *, now: dt.datetime) -> Iterator[Line]:
    """When the running registry last collected and scrubbed, from the notes that it leaves in its volume."""
    for name, label in _UPKEEP.items():
        note = _note_of(folder, name)
        if note is not None:
            ago = now - dt.datetime.fromtimestamp(float(note["finished"]), dt.UTC)
            yield Line(label, f"{note.get('result', 'ended')} {say_span(ago)} ago")


def _note_of(folder: StackFolder, name: str) -> dict[str, Any] | None:
    path = f"/var/lib/registry/stackgen/runs/{name}.json"
    answer = docker.compose(folder, "exec", "-T", "registry", "cat", path, seconds=_SECONDS)
    try:
        note: dict[str, Any] = json.loads(answer.out)
        float(note["finished"])
    except (ValueError, KeyError, TypeError):
        return None
    return note
