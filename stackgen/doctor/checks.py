"""The doctor's decisions: facts in, findings out. Pure; each function looks at one matter."""

from __future__ import annotations

import ipaddress
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from stackgen.certificate_pair import FaultKind, signed_by
from stackgen.docker import ABSENT, NO_COMPOSE, SILENT
from stackgen.doctor.findings import Finding, Kind
from stackgen.shell import shell_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cryptography import x509

    from stackgen.doctor import facts
    from stackgen.embedded import Embedded
    from stackgen.losses import Loss
    from stackgen.neighbours import Neighbour
    from stackgen.stack import Waiting

ENGINE_NEEDED = (25, 0)
"""Health checks with start_interval; a published stack's subfolders of volumes want (26, 0)."""
ENGINE_PUBLISHED = (26, 0)
COMPOSE_NEEDED = (2, 20)
COMPOSE_PUBLISHED = (2, 34)
CLOCK_SECONDS = 60
LOW_SHARE = 0.10
_OTHERS = 0o007
# Docker's own default: a registry on this machine is reached without a check of its certificate.
_LOOPBACK = {"127.0.0.0/8", "::1/128"}


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


def check_services(
    services: Iterable[facts.Service] | None, expected: frozenset[str], embedded: Embedded, *, up: str
) -> Iterator[Finding]:
    """Whether every service of the enabled profiles runs and is healthy; nothing where Compose can't be asked.

    A stack that is served without Docker, or was, is judged by that. `up` starts it on an engine.
    """
    found = {service.name: service for service in services or ()}
    if not any(service.state == "running" for service in found.values()):
        if embedded.process is None:
            yield from _check_rest(embedded, up if services is not None else None, containers=bool(found))
        return
    for name in sorted(expected):
        service = found.get(name)
        logs = f"docker compose logs --tail 50 {name}"
        if service is None:
            yield Finding(Kind.SERVICE_DOWN, name, "it was never started", f"docker compose up -d --wait {name}")
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


def check_build(build: facts.Build) -> Iterator[Finding]:
    """What the first start builds the registry's image with, and whether it has."""
    if build.reason:
        yield Finding(
            Kind.BUILD_CA,
            f"BUILD_EXTRA_CA={build.authority}",
            f"it {build.reason}",
            "write the path of a PEM file into .env, or take the line out; then stackgen render",
        )
    if build.unbuilt:
        yield Finding(
            Kind.IMAGE_UNBUILT,
            build.unbuilt,
            "the next start builds it, which needs the network",
            "docker compose build registry; if that fails: BUILD_HTTPS_PROXY, BUILD_PIP_INDEX_URL or BUILD_EXTRA_CA "
            "in .env, which stackgen settings explains",
        )


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


_RENAME = "write another COMPOSE_PROJECT_NAME into one of the two .env files, then render and start it"


def check_ports(ports: Iterable[facts.Port], neighbours: Iterable[Neighbour], *, running: bool) -> Iterator[Finding]:
    """Ports that something else has, or another stack wants; a running stack's own ports are its own."""
    neighbours = tuple(neighbours)
    for port in ports:
        place = f"{port.variable}={port.number}"
        if port.taken and not running:
            yield Finding(
                Kind.PORT_TAKEN,
                place,
                "another program listens on this port",
                f"see who: ss -ltnp 'sport = :{port.number}'; or write another port into .env and render",
            )
        for one in neighbours:
            if one.wants(port.number, port.address):
                yield Finding(
                    Kind.PORT_SHARED,
                    place,
                    f"the stack in {one.folder} wants the same port: one of the two can run at a time",
                    "write another port into one of the two .env files and render",
                )


def check_name(name: facts.Name) -> Iterator[Finding]:
    """Whether this machine finds the registry by its name, and finds itself."""
    if _is_address(name.host) or name.host == "localhost":
        return
    if not name.addresses:
        yield Finding(
            Kind.NAME_UNRESOLVED,
            name.host,
            "this machine can't resolve it",
            f"a DNS record, or here: echo '127.0.0.1 {name.host}' | sudo tee -a /etc/hosts",
        )
    elif not set(name.addresses) & name.own and not any(ipaddress.ip_address(a).is_loopback for a in name.addresses):
        yield Finding(
            Kind.NAME_ELSEWHERE,
            name.host,
            f"it resolves to {', '.join(name.addresses)}, not to this machine",
            "right behind a gateway or NAT; else mend the DNS record, or SERVICE_DOMAIN in .env",
        )


_FAULTS = {
    FaultKind.MISSING: Kind.CERTIFICATE_MISSING,
    FaultKind.FORBIDDEN: Kind.CERTIFICATE_UNREADABLE,
    FaultKind.UNUSABLE: Kind.CERTIFICATE_UNREADABLE,
    FaultKind.MISMATCH: Kind.CERTIFICATE_KEY,
    FaultKind.DISORDER: Kind.CERTIFICATE_CHAIN,
    FaultKind.OTHER_HOST: Kind.CERTIFICATE_HOST,
    FaultKind.ENDED: Kind.CERTIFICATE_ENDED,
    FaultKind.EARLY: Kind.CERTIFICATE_EARLY,
    FaultKind.ENDING: Kind.CERTIFICATE_ENDING,
    FaultKind.EXPOSED: Kind.SECRET_OPEN,
    FaultKind.LOST: Kind.AUTHORITY_LOST,
    FaultKind.FOREIGN: Kind.CERTIFICATE_FOREIGN,
}


def check_certificates(certificates: facts.Certificates, host: str) -> Iterator[Finding]:
    """Files, pair, dates, name, chain, and what is really served."""
    for fault in certificates.faults:
        yield Finding(_FAULTS[fault.kind], str(fault.file), f"it {fault.reason}", fault.remedy)
    if not certificates.chain or any(fault.kind.stops_a_server for fault in certificates.faults):
        return
    leaf, place, found = certificates.chain[0], certificates.place, {fault.kind for fault in certificates.faults}
    told = found & {FaultKind.DISORDER, FaultKind.FOREIGN, FaultKind.LOST}
    if not told and not is_anchored(certificates.chain, certificates.anchors):
        yield Finding(
            Kind.CERTIFICATE_CHAIN,
            place,
            f"nobody here knows {certificates.chain[-1].issuer.rfc4514_string()}",
            "append the intermediate certificates, leaf first; a private authority must be trusted by clients",
        )
    if certificates.served is not None and certificates.served != leaf:
        yield Finding(
            Kind.CERTIFICATE_SERVED,
            host,
            "the running stack serves another certificate than the folder holds",
            "docker compose exec nginx nginx -c /etc/nginx/stack/nginx.conf -s reload",
        )


def is_anchored(chain: tuple[x509.Certificate, ...], anchors: Iterable[x509.Certificate]) -> bool:
    """Whether a chain, leaf first, ends at one of the authorities: each is signed by the next."""
    known = tuple(anchors)
    if any(not signed_by(child, parent) for child, parent in pairwise(chain)):
        return False
    return chain[-1] in known or any(signed_by(chain[-1], anchor) for anchor in known)


def check_trust(
    engine: facts.Engine | None,
    trusts: Iterable[facts.EngineTrust],
    chain: tuple[x509.Certificate, ...],
    *,
    authority: str,
    authority_file: Path,
    addresses: tuple[str, ...],
) -> Iterator[Finding]:
    """Whether each engine here accepts the registry's certificate; the line that mends it where it does not."""
    insecure = _insecure_by(engine, authority, addresses) if engine is not None and engine.local else None
    if insecure is not None and insecure not in _LOOPBACK:
        yield Finding(
            Kind.ENGINE_INSECURE,
            "/etc/docker/daemon.json",
            f"insecure-registries names {insecure}: passwords go to whoever answers under that name",
            "take the line out, restart the engine, and let it trust the CA instead (see ENGINE_DISTRUSTS)",
        )
    for trust in trusts:
        skips = trust.engine == "docker" and insecure is not None
        if chain and not skips and not is_anchored(chain, trust.authorities):
            yield Finding(
                Kind.ENGINE_DISTRUSTS,
                trust.engine,
                f"its pushes and pulls to {authority} will fail: certificate signed by unknown authority",
                shell_line("sudo", "install", "-D", "-m", "644", authority_file, Path(trust.place)),
            )


def _insecure_by(engine: facts.Engine, authority: str, addresses: tuple[str, ...]) -> str | None:
    """The entry of insecure-registries by which the engine skips the check, None where it checks."""
    for entry in engine.insecure:
        if entry == authority:
            return entry
        if "/" in entry and any(ipaddress.ip_address(one) in ipaddress.ip_network(entry) for one in addresses):
            return entry
    return None


def check_clock(clock: facts.Clock) -> Iterator[Finding]:
    """Whether something sets the clock; certificates and tokens depend on it."""
    if clock.synchronised is False:
        yield Finding(
            Kind.CLOCK_UNSET,
            "clock",
            "no time service has set this machine's clock",
            "timedatectl set-ntp true, or install chrony",
        )


def check_disk(disk: facts.Disk) -> Iterator[Finding]:
    """Space for pushes."""
    free = f"{disk.free / 2**30:.1f} GiB of {disk.total / 2**30:.1f} GiB are free"
    remedy = "stackgen gc, delete images, or move STORAGE_DIR to a larger disk"
    if disk.free <= disk.reserve:
        yield Finding(
            Kind.DISK_RESERVE,
            disk.place,
            f"{free}; STORAGE_RESERVE keeps {disk.reserve / 2**30:.1f} GiB: pushes are refused, pulls go on",
            remedy,
        )
    elif disk.free < disk.total * LOW_SHARE:
        yield Finding(Kind.DISK_LOW, disk.place, free, remedy)
    if disk.inodes_total and disk.inodes_free < disk.inodes_total * LOW_SHARE:
        yield Finding(
            Kind.DISK_INODES, disk.place, f"{disk.inodes_free} of {disk.inodes_total} inodes are free", remedy
        )


# Name of a secret file → what makes what was read there worthless.
_ROTATIONS = {
    "htpasswd": "give every user a new password: stackgen rotate password --user NAME",
    "admin_password": "stackgen rotate password",
    "http_secret": "stackgen rotate http-secret",
    "privkey.pem": "stackgen rotate tls (with a certificate of yours: --cert FILE --key FILE)",
    "ca.key": "stackgen rotate ca",
}


def check_losses(losses: Iterable[Loss]) -> Iterator[Finding]:
    """Secrets that are gone."""
    for loss in losses:
        yield Finding(Kind.SECRET_MISSING, str(loss.file), f"it is {loss.state}: {loss.meaning}", loss.remedy)


def check_render(pending: Sequence[str], waiting: Iterable[Waiting], *, root: str, remedy: str) -> Iterator[Finding]:
    """What a render would change, and what it left to the user."""
    if pending:
        some = ", ".join(pending[:3]) + (f" and {len(pending) - 3} more" if len(pending) > 3 else "")  # noqa: PLR2004
        yield Finding(Kind.RENDER_PENDING, root, f"render would change {some}", remedy)
    for one in waiting:
        yield Finding(Kind.EDIT_BEHIND, str(one.file), one.reason, one.remedy)


def check_files(files: Iterable[facts.File], *, group: int) -> Iterator[Finding]:
    """Modes of the secrets that are there: nobody else may read them, the containers must."""
    files = tuple(files)
    if hidden := next((file for file in files if file.hidden), None):
        yield Finding(
            Kind.SECRETS_HIDDEN,
            str(Path(hidden.path).parent),
            "you may not look into it, so its files were not examined",
            "run doctor as the user who made the stack, or with sudo",
        )
    for file in files:
        if file.hidden or file.mode is None:
            continue
        path = Path(file.path)
        if file.mode & _OTHERS:
            yield Finding(
                Kind.SECRET_OPEN,
                file.path,
                f"its mode is {file.mode:04o}: everybody here can read it",
                f"{shell_line('chmod', 'o=', path)}; then {_ROTATIONS.get(path.name, 'make it anew')}",
            )
        if file.shared and (file.gid != group or not file.mode & 0o040):
            yield Finding(
                Kind.SECRET_GROUP,
                file.path,
                f"group {file.gid}, mode {file.mode:04o}: the containers' group {group} can't read it",
                shell_line("sudo", "chgrp", str(group), path) + " && " + shell_line("chmod", "g+r", path),
            )


def check_first_password(lost: Path | None, *, rotate: str) -> Iterator[Finding]:
    """The file with the first user's password, where it is gone and that user is still there."""
    if lost is not None:
        yield Finding(
            Kind.PASSWORD_UNKNOWN,
            str(lost),
            "it is gone; the password still counts, for whoever has it elsewhere",
            f"another one: {rotate}",
        )


def check_storage(storage: facts.File | None, *, owner: str) -> Iterator[Finding]:
    """STORAGE_DIR, which the registry's user must own; None where a volume is used."""
    if storage is None:
        return
    if storage.mode is None or f"{storage.uid}:{storage.gid}" != owner:
        path = Path(storage.path)
        have = "it is missing" if storage.mode is None else f"it belongs to {storage.uid}:{storage.gid}"
        yield Finding(
            Kind.STORAGE_OWNER,
            storage.path,
            f"{have}, and the registry runs as {owner}",
            shell_line("sudo", "install", "-d", path) + " && " + shell_line("sudo", "chown", "-R", owner, path),
        )


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _version(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
