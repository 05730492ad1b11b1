"""The certificate, and who trusts it. Pure."""

from __future__ import annotations

import ipaddress
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from stackgen.certificate_pair import FaultKind, signed_by
from stackgen.doctor.findings import Finding, Kind
from stackgen.shell import shell_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cryptography import x509

    from stackgen.doctor import facts

# Docker's own default: a registry on this machine is reached without a check of its certificate.
_LOOPBACK = {"127.0.0.0/8", "::1/128"}
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


def check_certificates(certificates: facts.Certificates, host: str, *, reload: str) -> Iterator[Finding]:
    """Files, pair, dates, name, chain, and what is really served; `reload` has the files served."""
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
            reload,
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
