"""The host around the stack: ports, the name, the clock, the disk. Pure."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from stackgen.doctor.findings import Finding, Kind
from stackgen.hosts import is_address
from stackgen.shell import stackgen_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from stackgen.doctor import facts
    from stackgen.folder import StackFolder
    from stackgen.neighbours import Neighbour

LOW_SHARE = 0.10


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


def check_name(name: facts.Name, *, own_address: str) -> Iterator[Finding]:
    """Whether this machine finds the registry by its name, and finds itself."""
    if is_address(name.host) or name.host == "localhost":
        return
    if not name.addresses:
        yield Finding(
            Kind.NAME_UNRESOLVED,
            name.host,
            "this machine can't resolve it",
            f"a DNS record, or here: echo '{own_address} {name.host}' | sudo tee -a /etc/hosts",
        )
    elif not set(name.addresses) & name.own and not any(ipaddress.ip_address(a).is_loopback for a in name.addresses):
        yield Finding(
            Kind.NAME_ELSEWHERE,
            name.host,
            f"it resolves to {', '.join(name.addresses)}, not to this machine",
            "right behind a gateway or NAT; else mend the DNS record, or SERVICE_DOMAIN in .env",
        )


def check_clock(clock: facts.Clock) -> Iterator[Finding]:
    """Whether something sets the clock; certificates and tokens depend on it."""
    if clock.synchronised is False:
        yield Finding(
            Kind.CLOCK_UNSET,
            "clock",
            "no time service has set this machine's clock",
            "timedatectl set-ntp true, or install chrony",
        )


def check_disk(disk: facts.Disk, *, folder: StackFolder) -> Iterator[Finding]:
    """Space for pushes."""
    free = f"{disk.free / 2**30:.1f} GiB of {disk.total / 2**30:.1f} GiB are free"
    remedy = f"{stackgen_line(folder, 'gc')}; or delete images, or move STORAGE_DIR to a larger disk"
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
