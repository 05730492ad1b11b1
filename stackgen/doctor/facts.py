"""What the probes find out about a stack and its host; None where it could not be learnt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509

    from stackgen.certificate_pair import Fault
    from stackgen.docker import Trouble


@dataclass(frozen=True, slots=True)
class Engine:
    """A Docker Engine that answered; versions as (major, minor)."""

    version: tuple[int, int]
    rootless: bool
    remapped: bool
    insecure: tuple[str, ...]
    """Hosts and networks (CIDR) whose certificates it does not check."""
    clock_ahead: float
    """Seconds by which its clock is ahead of this machine's."""
    endpoint: str = "unix://"
    """Where docker reaches it, by DOCKER_HOST or by the docker context."""

    @property
    def local(self) -> bool:
        """Whether it runs on this machine, so that its configuration lies in this machine's /etc."""
        return self.endpoint.startswith("unix://")


@dataclass(frozen=True, slots=True)
class Build:
    """What the registry's image is built with: why BUILD_EXTRA_CA is no use, and the image's name while it lacks."""

    authority: str = ""
    reason: str = ""
    unbuilt: str = ""


@dataclass(frozen=True, slots=True)
class Docker:
    """The docker command: `silence` is why the engine did not answer."""

    installed: bool
    engine: Engine | None = None
    silence: Trouble | None = None
    compose: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """A container of the stack as Compose lists it."""

    name: str
    state: str
    health: str
    exit_code: int
    status: str
    folder: str
    """Where the project lies that it was started from."""


@dataclass(frozen=True, slots=True)
class Port:
    """A port that the stack publishes."""

    variable: str
    number: int
    taken: bool
    """Whether something listens on it now."""
    address: str | None = None
    """Where it is published; None for everywhere."""


@dataclass(frozen=True, slots=True)
class Name:
    """The registry's host as this machine resolves it."""

    host: str
    addresses: tuple[str, ...]
    own: frozenset[str]
    """Every address of this machine."""


@dataclass(frozen=True, slots=True)
class Certificates:
    """What lies in CERTS_DIR, and what is wrong with it; `place` is the certificate's file."""

    place: str
    faults: tuple[Fault, ...] = ()
    chain: tuple[x509.Certificate, ...] = ()
    anchors: tuple[x509.Certificate, ...] = ()
    """Authorities that this machine or the stack knows."""
    served: x509.Certificate | None = None
    """What a running stack shows to a client."""


@dataclass(frozen=True, slots=True)
class EngineTrust:
    """Which authorities one container engine takes for the registry beside the system's."""

    engine: str
    place: str
    """Where the authority would have to lie."""
    authorities: tuple[x509.Certificate, ...]


@dataclass(frozen=True, slots=True)
class Disk:
    """A file system that the stack writes to; bytes and inodes."""

    place: str
    free: int
    total: int
    inodes_free: int
    inodes_total: int
    reserve: int


@dataclass(frozen=True, slots=True)
class File:
    """A file's or folder's owner and mode; `mode` is None where it is missing."""

    path: str
    mode: int | None
    uid: int = -1
    gid: int = -1
    shared: bool = False
    """Whether a container has to read it."""
    hidden: bool = False
    """Whether whoever asks may not look."""
    rotation: tuple[str, ...] = ()
    """Words after `stackgen rotate` by which what was read there becomes worthless."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Whether something keeps this machine's clock right."""

    synchronised: bool | None
