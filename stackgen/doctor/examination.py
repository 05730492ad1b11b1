"""One examination: every probe, every check, in the order in which a person would mend what is found."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from stackgen import stack
from stackgen.certificates import judge
from stackgen.diffing import CHANGING
from stackgen.doctor import certificate_checks, engine_checks, folder_checks, host_checks, probes
from stackgen.doctor.findings import Finding, Kind
from stackgen.embedded import find_embedded
from stackgen.env_file import load_settings
from stackgen.errors import StackgenError
from stackgen.losses import find_losses
from stackgen.neighbours import find_neighbours
from stackgen.running import reload_line
from stackgen.shell import stackgen_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from stackgen.doctor import facts
    from stackgen.embedded import Embedded
    from stackgen.folder import StackFolder
    from stackgen.settings import StackSettings

NO_ENGINE = {Kind.DOCKER_ABSENT, Kind.ENGINE_SILENT, Kind.COMPOSE_ABSENT}
"""Why containers can't be seen: no matter where none are wanted."""


@dataclass(frozen=True, slots=True)
class Patient:
    """A stack and how it is run, as doctor and status both look at it."""

    folder: StackFolder
    settings: StackSettings
    docker: facts.Docker
    embedded: Embedded
    listed: tuple[facts.Service, ...] | None
    """Every container of the project; None where Compose can't say."""

    @property
    def services(self) -> tuple[facts.Service, ...] | None:
        """The containers that this folder started."""
        place = str(self.folder.root.resolve())
        return None if self.listed is None else tuple(one for one in self.listed if one.folder in {place, ""})

    @property
    def in_containers(self) -> bool:
        """Whether a service of the stack runs on an engine."""
        return any(service.state == "running" for service in self.services or ())

    @property
    def without_docker(self) -> bool:
        """Whether it is served without Docker, or was when it last ran."""
        if self.embedded.process is not None:
            return True
        last = self.embedded.ended is not None or (self.embedded.used and not self.docker.engine)
        return last and not self.services


def meet(folder: StackFolder, settings: StackSettings, docker: facts.Docker) -> Patient:
    """A stack with what can be seen of how it is run."""
    listed = probes.probe_services(folder) if docker.engine and docker.compose else None
    return Patient(folder, settings, docker, find_embedded(folder), listed)


def examine(folder: StackFolder, *, environ: Mapping[str, str]) -> tuple[Finding, ...]:
    """Everything that is wrong with a stack and its host."""
    docker = probes.probe_docker(environ=environ)
    try:
        settings = load_settings(folder)
    except StackgenError as error:
        wrong = Finding(Kind.SETTINGS_INVALID, str(folder.env), error.message, error.hint)
        return (wrong, *engine_checks.check_docker(docker))
    patient = meet(folder, settings, docker)
    return (*examine_engine(patient), *examine_stack(patient), *_examine_host(patient))


def examine_engine(patient: Patient) -> Iterator[Finding]:
    """What is wrong with Docker, where the stack needs it."""
    for finding in engine_checks.check_docker(patient.docker):
        if not (patient.without_docker and finding.kind in NO_ENGINE):
            yield finding


def examine_stack(patient: Patient) -> Iterator[Finding]:
    """What is wrong with the stack itself: what lies in its folder, what runs, and the disk under it."""
    folder, settings = patient.folder, patient.settings
    yield from _examine_render(folder, settings)
    losses = find_losses(folder)
    yield from folder_checks.check_losses(losses)
    expected = probes.expected_services(folder) if patient.in_containers else frozenset[str]()
    yield from engine_checks.check_services(patient.services, expected, patient.embedded, folder=folder)
    certificates = probes.probe_certificates(folder, settings, now=dt.datetime.now(dt.UTC))
    if not patient.in_containers:
        # Whoever answers on the port then is somebody else, or serves on another one.
        certificates = replace(certificates, served=None)
    yield from certificate_checks.check_certificates(certificates, settings.host, reload=reload_line(folder, settings))
    disk = probes.probe_disk(folder, settings, patient.docker, without_docker=patient.without_docker)
    yield from host_checks.check_disk(disk, folder=folder) if disk is not None else ()
    unusable = {str(loss.file) for loss in losses}  # another mode would not help them
    files = (file for file in probes.probe_files(folder, settings) if file.path not in unusable)
    yield from folder_checks.check_files(files, group=settings.secrets_gid, folder=folder)
    if any(service.name == "registry" and service.state == "running" for service in patient.services or ()):
        yield from folder_checks.check_unseen(probes.probe_unseen(folder), folder=folder)
    yield from folder_checks.check_first_password(
        probes.probe_first_password(folder, settings), rotate=stackgen_line(folder, "rotate", "password")
    )
    yield from folder_checks.check_storage(probes.probe_storage(folder, settings), owner=settings.registry_user)


def _examine_host(patient: Patient) -> Iterator[Finding]:
    """What is wrong around the stack: other projects, ports, names, trust, the clock."""
    folder, settings = patient.folder, patient.settings
    project, neighbours = settings.compose_project_name, find_neighbours(folder.root)
    yield from engine_checks.check_project(
        patient.listed, neighbours, folder=str(folder.root.resolve()), project=project
    )
    running = patient.in_containers or patient.embedded.process is not None
    if not patient.without_docker:
        at_rest = patient.docker.engine is not None and patient.docker.compose is not None and not running
        yield from engine_checks.check_build(probes.probe_build(folder, settings, engine=at_rest), folder=folder)
    yield from host_checks.check_ports(probes.probe_ports(settings), neighbours, running=running)
    name = probes.probe_name(settings)
    yield from host_checks.check_name(name, own_address=settings.own_address)
    own = folder.resolve(settings.certs_dir) / "ca.crt"
    yield from certificate_checks.check_trust(
        patient.docker.engine,
        probes.probe_trust(settings, patient.docker),
        probes.probe_chain(folder, settings),
        authority=settings.authority,
        authority_file=own if settings.tls == "local" else Path("YOUR-AUTHORITY.crt"),
        addresses=name.addresses,
    )
    yield from host_checks.check_clock(probes.probe_clock())


def _examine_render(folder: StackFolder, settings: StackSettings) -> Iterator[Finding]:
    try:
        changes = stack.draft_with(folder, settings).changes
    except StackgenError as error:
        yield Finding(Kind.SETTINGS_INVALID, str(folder.root), error.message, error.hint)
        return
    written = judge(folder, settings, dt.datetime.now(dt.UTC)).put_back
    pending = [change.path for change in changes if change.action in CHANGING] + [str(path) for path in written]
    yield from folder_checks.check_render(
        pending,
        stack.find_waiting(folder, changes),
        root=str(folder.root),
        remedy=f"{stackgen_line(folder, 'plan')}; {stackgen_line(folder, 'render')}",
    )
