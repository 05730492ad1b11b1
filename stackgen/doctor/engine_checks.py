"""Docker on this host, and what the stack runs there. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from stackgen.docker import ABSENT, NO_COMPOSE, SILENT
from stackgen.doctor.findings import Finding, Kind
from stackgen.shell import compose_line, stackgen_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from stackgen.doctor import facts
    from stackgen.embedded import Embedded
    from stackgen.folder import StackFolder
    from stackgen.neighbours import Neighbour

ENGINE_NEEDED = (25, 0)
"""Health checks with start_interval; a published stack's subfolders of volumes want (26, 0)."""
ENGINE_PUBLISHED = (26, 0)
COMPOSE_NEEDED = (2, 20)
COMPOSE_PUBLISHED = (2, 34)
CLOCK_SECONDS = 60


def check_docker(docker: facts.Docker) -> Iterator[Finding]:
    """The commands and the engine's kind and age."""
    if not docker.installed:
        yield Finding(
            Kind.DOCKER_ABSENT,
            "docker",
            "there is no docker command on the PATH",
            ABSENT.remedy,
        )
        return
    if docker.engine is None:
        silence = docker.silence or SILENT
        yield Finding(Kind.ENGINE_SILENT, "docker", silence.message, silence.remedy)
    else:
        yield from _check_engine(docker.engine)
    if docker.compose is None:
        yield Finding(
            Kind.COMPOSE_ABSENT,
            "docker compose",
            NO_COMPOSE.message,
            NO_COMPOSE.remedy,
        )
    elif docker.compose < COMPOSE_PUBLISHED:
        lacks = "this stack's compose.yaml" if docker.compose < COMPOSE_NEEDED else "oci:// addresses"
        yield Finding(
            Kind.COMPOSE_OLD,
            "docker compose",
            f"Compose {_version(docker.compose)} is too old for {lacks}",
            f"install {_version(COMPOSE_PUBLISHED)} or newer",
        )


def _check_engine(engine: facts.Engine) -> Iterator[Finding]:
    if not engine.local:
        yield Finding(
            Kind.ENGINE_ELSEWHERE,
            "engine",
            f"it is reached at {_without_user(engine.endpoint)}: its containers see this folder only where it lies "
            "there too, under the same path",
            "run stackgen and docker on that machine; or use this one's: unset DOCKER_HOST; docker context use default",
        )
    if engine.version < ENGINE_PUBLISHED:
        lacks = (
            "quick starts (start_interval)" if engine.version < ENGINE_NEEDED else "published stacks (volume subpaths)"
        )
        yield Finding(
            Kind.ENGINE_OLD,
            "engine",
            f"Docker Engine {_version(engine.version)} lacks {lacks}",
            f"upgrade to {_version(ENGINE_PUBLISHED)} or newer",
        )
    if engine.rootless:
        yield Finding(
            Kind.ENGINE_ROOTLESS,
            "engine",
            "it runs rootless: ports below 1024 need a setting of the host's, "
            "and all clients may seem to come from one address",
            "HTTPS_PORT=8443 and HTTP_PORT=8080, or sysctl net.ipv4.ip_unprivileged_port_start=80",
        )
    if engine.remapped:
        yield Finding(
            Kind.ENGINE_USERNS,
            "engine",
            "it remaps user ids (userns-remap): 10001 in a container is another id on the host",
            "give secrets/ and STORAGE_DIR to the remapped ids: see /etc/subuid",
        )
    if abs(engine.clock_ahead) > CLOCK_SECONDS:
        yield Finding(
            Kind.CLOCK_ENGINE,
            "engine",
            f"its clock is {engine.clock_ahead:+.0f} s off this machine's: certificates and logins will fail by it",
            "set the clock of the machine that runs the engine",
        )


def _without_user(endpoint: str) -> str:
    """An address as it may be shown."""
    return re.sub(r"//[^/]*@", "//", endpoint)


def check_services(
    services: Iterable[facts.Service] | None, expected: frozenset[str], embedded: Embedded, *, folder: StackFolder
) -> Iterator[Finding]:
    """Whether every service of the enabled profiles runs and is healthy; nothing where Compose can't be asked.

    A stack that is served without Docker, or was, is judged by that.
    """
    up = ("up", "-d", "--wait")
    found = {service.name: service for service in services or ()}
    if not any(service.state == "running" for service in found.values()):
        if embedded.process is None:
            start = compose_line(folder, *up) if services is not None else None
            yield from _check_rest(embedded, start, containers=bool(found))
        return
    for name in sorted(expected):
        service = found.get(name)
        logs = compose_line(folder, "logs", "--tail", "50", name)
        if service is None:
            yield Finding(Kind.SERVICE_DOWN, name, "it was never started", compose_line(folder, *up, name))
        elif service.state != "running":
            yield Finding(Kind.SERVICE_DOWN, name, f"it is {service.state}: {service.status}", logs)
        elif service.health == "unhealthy":
            yield Finding(Kind.SERVICE_UNHEALTHY, name, f"it runs but fails its health check: {service.status}", logs)


def _check_rest(embedded: Embedded, up: str | None, *, containers: bool) -> Iterator[Finding]:
    """How to start what rests, in the way in which it ran last."""
    if embedded.ended is not None and not containers:
        yield Finding(
            Kind.STACK_STOPPED,
            "stackgen serve",
            f"process {embedded.ended}, which served the stack without Docker, was killed, or this machine restarted",
            embedded.start,
        )
    elif up is not None:
        again = f"; or without Docker, as before: {embedded.start}" if embedded.used and not containers else ""
        yield Finding(Kind.STACK_STOPPED, "compose.yaml", "no service of the stack runs", up + again)


def check_build(build: facts.Build, *, folder: StackFolder) -> Iterator[Finding]:
    """What the first start builds the registry's image with, and whether it has."""
    if build.reason:
        yield Finding(
            Kind.BUILD_CA,
            f"BUILD_EXTRA_CA={build.authority}",
            f"it {build.reason}",
            f"write the path of a PEM file into .env, or take the line out; then: {stackgen_line(folder, 'render')}",
        )
    if build.unbuilt:
        yield Finding(
            Kind.IMAGE_UNBUILT,
            build.unbuilt,
            "the next start builds it, which needs the network",
            f"{compose_line(folder, 'build', 'registry')}; if that fails: BUILD_HTTPS_PROXY, BUILD_PIP_INDEX_URL or "
            "BUILD_EXTRA_CA in .env, which `stackgen settings` explains",
        )


_RENAME = "write another COMPOSE_PROJECT_NAME into one of the two .env files, then render and start it"


def check_project(
    services: Iterable[facts.Service] | None, neighbours: Iterable[Neighbour], *, folder: str, project: str
) -> Iterator[Finding]:
    """Whether another folder's stack has this project: `up` here would replace its containers."""
    others = {service.folder for service in services or ()} - {folder, ""}
    if others:
        yield Finding(
            Kind.PROJECT_SHARED,
            f"COMPOSE_PROJECT_NAME={project}",
            f"containers of this project were started from {', '.join(sorted(others))}: "
            "`up` or `down` here would take them",
            _RENAME,
        )
    for other in (str(one.folder) for one in neighbours if one.project == project):
        if other not in others:
            yield Finding(
                Kind.PROJECT_SHARED,
                f"COMPOSE_PROJECT_NAME={project}",
                f"the stack in {other} has the same project: whichever starts later takes the other's containers",
                _RENAME,
            )


def _version(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
