"""The settings of a new stack: what was answered, and a proposal for the rest that fits this machine."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stackgen import hosting, hosts
from stackgen.errors import StackgenError
from stackgen.neighbours import find_neighbours
from stackgen.projects import find_claim

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from stackgen.cli.answers import Answer
    from stackgen.neighbours import Neighbour

LOCAL_PORTS = {"HTTPS_PORT": 8443, "HTTP_PORT": 8080}
PUBLIC_PORTS = {"HTTPS_PORT": 443, "HTTP_PORT": 80}
ALONE_PORTS = {"HTTPS_PORT": 5000}


@dataclass(frozen=True, slots=True)
class Proposal:
    """Name and value of every setting that a new `.env` holds, and what was chosen otherwise than usual, and why."""

    settings: dict[str, str]
    notes: tuple[str, ...]


def propose_settings(directory: Path, answers: Mapping[str, Answer]) -> Proposal:
    """The settings of a new stack; StackgenError where an answer can't be had on this machine."""
    given = {name: answer.value for name, answer in answers.items()}
    domain = given.get("SERVICE_DOMAIN", "localhost")
    local = hosts.is_loopback(domain)
    env = {"COMPOSE_PROJECT_NAME": "", "COMPOSE_PROFILES": "", "SERVICE_DOMAIN": domain}
    if local:
        env["BIND_ADDRESS"] = domain if domain != "localhost" else "127.0.0.1"
    usual = ALONE_PORTS if given.get("PROXY") == "none" else LOCAL_PORTS if local else PUBLIC_PORTS
    address, neighbours = given.get("BIND_ADDRESS", env.get("BIND_ADDRESS")), find_neighbours(directory)
    owners = {port: one.folder for one in neighbours for port in one.ports if one.wants(port, address)}
    ports = _ports(usual, answers, address, taken=frozenset(owners))
    env |= {name: str(port) for name, port in ports.items()}
    env |= {"PROXY": "nginx", "TLS": "local", "SECRETS_GID": str(hosting.operator_group())}
    if "STORAGE_DIR" in given and os.geteuid() != 0:
        env["REGISTRY_USER"] = f"{os.geteuid()}:{os.getegid()}"
    env |= given
    notes = tuple(_about_ports(usual, ports, owners, given=frozenset(given)))
    if "COMPOSE_PROJECT_NAME" not in given:
        env["COMPOSE_PROJECT_NAME"], claimed = propose_project(directory, neighbours)
        notes += (claimed,) if claimed else ()
    return Proposal(env, notes)


def _ports(
    usual: Mapping[str, int], answers: Mapping[str, Answer], address: str | None, *, taken: frozenset[int]
) -> dict[str, int]:
    """HTTPS_PORT and HTTP_PORT: as answered, else the usual ones, else the next that are free and not `taken`."""
    ports: dict[str, int] = {}
    for name, port in usual.items():
        if name not in answers:
            ports[name] = _free_port(port, address, taken=taken | frozenset(ports.values()))
        elif answers[name].value.isdecimal():
            ports[name] = int(answers[name].value)
            _refuse_busy(ports[name], answers[name], address, taken=frozenset(ports.values()))
    return ports


def _about_ports(
    usual: Mapping[str, int], ports: Mapping[str, int], owners: Mapping[int, Path], *, given: frozenset[str]
) -> Iterator[str]:
    """What is to be said of ports that are not the usual ones, or are another stack's."""
    for name, port in ports.items():
        wanted, kind = usual[name], name.removesuffix("_PORT").lower()
        if name in given:
            if port in owners:
                yield f"port {port} is that of the stack in {owners[port]} too: one of the two can run at a time"
        elif wanted in owners:
            yield f"port {wanted} is that of the stack in {owners[wanted]}: {kind} gets {port} instead"
        elif port != wanted:
            reason = "" if wanted in ports.values() else f"port {wanted} is in use on this machine: "
            yield f"{reason}{kind} gets {port} instead"


def _free_port(usual: int, address: str | None, *, taken: frozenset[int]) -> int:
    return hosting.propose_port(usual, lambda one: hosting.port_is_free(one, address), taken=taken)


def _refuse_busy(port: int, answer: Answer, address: str | None, *, taken: frozenset[int]) -> None:
    def is_free(one: int) -> bool:
        return hosting.port_is_free(one, address)

    if 0 < port <= hosting.LAST_PORT and not is_free(port):
        other = hosting.propose_port(port, is_free, taken=taken)
        hint = f"{other} is free: {answer.instead(str(other))}"
        raise StackgenError(f"port {port} is in use on this machine", hint=hint)


def propose_project(directory: Path, neighbours: tuple[Neighbour, ...] = ()) -> tuple[str, str]:
    """The folder's name as Compose accepts it, if no other stack here has it.

    Else one of its own, and what is to be said about that.
    """
    plain = re.sub(r"[^a-z0-9_-]+", "-", directory.resolve().name.lower()).strip("-_")[:50]
    own = f"{plain or 'stackgen'}-{hashlib.sha256(os.fsencode(directory.resolve())).hexdigest()[:8]}"
    if not plain:
        return own, ""
    if other := next((one.folder for one in neighbours if one.project == plain), None):
        return own, f"the Compose project {plain!r} is that of the stack in {other}: this stack's is {own!r}"
    claim = find_claim(plain)
    if claim is None:
        return plain, ""
    if find_claim(own) is not None:
        raise StackgenError(
            f"Compose projects {plain!r} and {own!r} are on this engine already: {claim.text}",
            hint="choose another: --project-name NAME; or, to go on with what is there: --project-name " + plain,
        )
    return own, f"the Compose project {plain!r} is on this engine already ({claim.text}): this stack's is {own!r}"
