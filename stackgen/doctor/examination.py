"""One examination: every probe, every check, in the order in which a person would mend what is found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from stackgen import stack
from stackgen.diffing import CHANGING
from stackgen.doctor import checks, probes
from stackgen.doctor.findings import Finding, Kind
from stackgen.env_file import load_settings
from stackgen.errors import StackgenError
from stackgen.shell import stackgen_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from stackgen.doctor import facts
    from stackgen.folder import StackFolder
    from stackgen.settings import StackSettings


def examine(folder: StackFolder, *, environ: Mapping[str, str]) -> tuple[Finding, ...]:
    """Everything that is wrong with a stack and its host."""
    docker = probes.probe_docker(environ=environ)
    findings = list(checks.check_docker(docker))
    try:
        settings = load_settings(folder)
    except StackgenError as error:
        return (Finding(Kind.SETTINGS_INVALID, str(folder.env), error.message, error.hint), *findings)
    return (*findings, *_of_stack(folder, settings, docker))


def _of_stack(folder: StackFolder, settings: StackSettings, docker: facts.Docker) -> Iterator[Finding]:
    yield from _pending(folder)
    services = probes.probe_services(folder) if docker.engine and docker.compose else None
    place = str(folder.root.resolve())
    yield from checks.check_project(services, folder=place, project=settings.compose_project_name)
    if services is not None:
        services = tuple(service for service in services if service.folder in {place, ""})
    running = any(service.state == "running" for service in services or ())
    yield from checks.check_services(services, probes.expected_services(folder) if services else frozenset())
    yield from checks.check_ports(probes.probe_ports(settings), running=running)
    name = probes.probe_name(settings)
    yield from checks.check_name(name)
    clock = probes.probe_clock()
    certificates = probes.probe_certificates(folder, settings, now=clock.now)
    if not running:
        # Whoever answers on the port then is somebody else.
        certificates = replace(certificates, served=None)
    yield from checks.check_certificates(certificates, settings.host, now=clock.now)
    trusts = probes.probe_trust(settings, docker)
    yield from checks.check_trust(
        docker.engine,
        trusts,
        certificates.chain,
        authority=settings.authority,
        authority_file=folder.resolve(settings.certs_dir) / "ca.crt"
        if settings.tls == "local"
        else Path("YOUR-AUTHORITY.crt"),
        addresses=name.addresses,
    )
    yield from checks.check_clock(clock)
    disk = probes.probe_disk(folder, settings, docker)
    yield from checks.check_disk(disk) if disk is not None else ()
    yield from checks.check_files(probes.probe_files(folder, settings), group=settings.secrets_gid)
    yield from checks.check_storage(probes.probe_storage(folder, settings), owner=settings.registry_user)


def _pending(folder: StackFolder) -> Iterator[Finding]:
    try:
        pending = [change.path for change in stack.draft(folder).changes if change.action in CHANGING]
    except StackgenError as error:
        yield Finding(Kind.SETTINGS_INVALID, str(folder.root), error.message, error.hint)
        return
    if pending:
        some = ", ".join(pending[:3]) + (f" and {len(pending) - 3} more" if len(pending) > 3 else "")  # noqa: PLR2004
        yield Finding(
            Kind.RENDER_PENDING,
            str(folder.root),
            f"render would change {some}",
            f"{stackgen_line(folder, 'plan')}; {stackgen_line(folder, 'render')}",
        )
