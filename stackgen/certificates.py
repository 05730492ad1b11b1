"""TLS of a stack: a local authority and the leaf that it issues, or a check of the user's own certificate."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from registry_app import issuing
from registry_app.administration import recorded
from registry_app.regular_files import STORE, read_named
from stackgen import certificate_memory, hosts
from stackgen.authority import ensure_authority, find_authority_fault, find_missing_copies, find_strangers, keep_witness
from stackgen.certificate_pair import (
    ENDING,
    WORRIES,
    CertificatePair,
    Fault,
    FaultKind,
    PairFile,
    find_faults,
    load_chain,
)
from stackgen.errors import refusal
from stackgen.rotation.generations import generation_name, serving_pair
from stackgen.secret_files import PUBLIC, SHARED, ensure_folder, put_file
from stackgen.shell import stackgen_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from stackgen.folder import StackFolder
    from stackgen.settings import StackSettings


@dataclass(frozen=True, slots=True)
class OwnPair:
    """A certificate with its chain and its key, as PEM, byte for byte as the user has them."""

    chain: bytes
    key: bytes = field(repr=False)


def _utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a render does about the certificate: nothing, or a new one for this `reason`, or it stops at `obstacles`."""

    obstacles: tuple[Fault, ...] = ()
    worries: tuple[Fault, ...] = ()
    reason: str = ""
    put_back: tuple[Path, ...] = ()
    """Copies of the authority's certificate that are missing, and are made from another one."""

    @property
    def changes(self) -> bool:
        """Whether a render writes anything."""
        return bool(self.reason or self.put_back)


def ensure_certificates(
    folder: StackFolder, settings: StackSettings, *, now: Callable[[], dt.datetime] = _utc_now
) -> Verdict:
    """A usable certificate in CERTS_DIR: issued when it is missing or for another host; checked when it is yours.

    The verdict that was acted on is given back. StackgenError for a pair that no server can use.
    """
    certs = folder.resolve(settings.certs_dir)
    if settings.tls == "own":
        adopt_common_names(certs)
    verdict = judge(folder, settings, now())
    if verdict.obstacles:
        raise refusal(verdict.obstacles)
    if settings.tls == "local" and verdict.changes:
        _make(folder, settings, verdict, now=now())
    if settings.tls == "local" and FaultKind.LOST not in {worry.kind for worry in verdict.worries}:
        keep_witness(folder)
    if not verdict.worries:
        _remember(folder, settings)
    return verdict


def _make(folder: StackFolder, settings: StackSettings, verdict: Verdict, *, now: dt.datetime) -> None:
    """What a render makes: a certificate, or copies of the authority's."""
    certs = folder.resolve(settings.certs_dir)
    subject = verdict.reason or ", ".join(map(str, verdict.put_back))
    with recorded(folder.audit_log if folder.is_stack() else None, "certificate-anew", subject=subject):
        ensure_folder(certs, mode=0o755)
        authority = ensure_authority(folder, certs, now=now)
        if verdict.reason:
            _issue(folder, settings, authority, now=now)


def _remember(folder: StackFolder, settings: StackSettings) -> None:
    leaf = load_chain(stack_pair(folder, settings))[0]
    since, until = leaf.not_valid_before_utc, leaf.not_valid_after_utc - ENDING
    certificate_memory.remember(folder, settings, since=since.timestamp(), until=until.timestamp())


def judge(folder: StackFolder, settings: StackSettings, now: dt.datetime) -> Verdict:
    """What is to be done about the pair in CERTS_DIR. Changes nothing."""
    faults = find_stack_faults(folder, settings, now)
    if settings.tls == "own":
        stopping = set(FaultKind) - WORRIES
        return Verdict(
            tuple(fault for fault in faults if fault.kind in stopping),
            tuple(fault for fault in faults if fault.kind not in stopping),
        )
    reason = [one.text for one in faults if one.kind in _RENEWED]
    stopping = {FaultKind.UNUSABLE, FaultKind.MISMATCH, FaultKind.FOREIGN}
    if reason:
        stopping.add(FaultKind.LOST)  # there is nobody to issue what is needed
    return Verdict(
        tuple(fault for fault in faults if fault.kind in stopping),
        tuple(fault for fault in faults if fault.kind not in stopping | _RENEWED),
        "; ".join(reason),
        find_missing_copies(folder, folder.resolve(settings.certs_dir)),
    )


_RENEWED = {FaultKind.MISSING, FaultKind.OTHER_HOST, FaultKind.ENDED}
"""What a render mends by itself where the certificate is of the stack's own authority."""


def find_stack_faults(folder: StackFolder, settings: StackSettings, now: dt.datetime) -> tuple[Fault, ...]:
    """What is wrong with the pair in CERTS_DIR, with the remedies for this stack."""
    faults = find_faults(stack_pair(folder, settings), settings.host, now=now)
    if settings.tls == "own":
        return faults
    certs = folder.resolve(settings.certs_dir)
    lost = find_authority_fault(folder, certs)
    found = tuple(_as_local(folder, fault, lost) for fault in faults)
    if lost is not None:
        return (*found, lost)
    broken = any(fault.kind.stops_a_server for fault in faults)
    return (*found, *find_strangers(folder, certs, () if broken else load_chain(stack_pair(folder, settings))))


def _as_local(folder: StackFolder, fault: Fault, lost: Fault | None) -> Fault:
    """A fault with the remedy for a pair that the stack's own authority issues, unless that is lost."""
    if fault.kind in {FaultKind.FORBIDDEN, FaultKind.EARLY}:
        return fault
    if lost is not None:
        return replace(fault, remedy=lost.remedy)
    if fault.kind in _RENEWED:
        return replace(fault, remedy=stackgen_line(folder, "render"))
    return replace(fault, remedy=f"{stackgen_line(folder, 'rotate', 'tls')} (or, if the files are yours: TLS=own)")


def stack_pair(folder: StackFolder, settings: StackSettings) -> CertificatePair:
    """The pair of CERTS_DIR as it lies there, under either pair of names."""
    certs = folder.resolve(settings.certs_dir)
    return read_pair(*(_either(certs, usual, other) for usual, other in _COMMON_NAMES))


def _either(certs: Path, usual: str, other: str) -> Path:
    return certs / (other if (certs / other).exists() and not (certs / usual).exists() else usual)


def read_pair(chain: Path, key: Path) -> CertificatePair:
    """A certificate and a key from anywhere."""
    return CertificatePair(_read(chain), _read(key))


def _read(path: Path) -> PairFile:
    try:
        return PairFile(path, read_named(path))
    except FileNotFoundError:
        return PairFile(path)
    except OSError as error:
        return PairFile(path, problem=error.strerror or str(error), forbidden=isinstance(error, PermissionError))


def find_ca_problem(path: Path) -> str:
    """Why a file is no store of authorities, in words that follow its name; empty when it is one."""
    try:
        content = read_named(path, limit=STORE)
    except OSError as error:
        return f"can't be read: {error.strerror}"
    return "" if b"-----BEGIN CERTIFICATE-----" in content else "holds no PEM certificate"


def read_own(chain: Path, key: Path, host: str, *, now: Callable[[], dt.datetime] = _utc_now) -> OwnPair:
    """The user's pair of certificate and key from anywhere; StackgenError unless it is usable for this host."""
    pair = read_pair(chain, key)
    faults = tuple(fault for fault in find_faults(pair, host, now=now()) if fault.kind not in WORRIES)
    if faults:
        raise refusal(tuple(_as_named(fault) for fault in faults))
    return OwnPair(chain=pair.chain.content or b"", key=pair.key.content or b"")


def _as_named(fault: Fault) -> Fault:
    """A fault with the remedy for files that the command line names."""
    lost = fault.kind in {FaultKind.MISSING, FaultKind.FORBIDDEN}
    return replace(fault, remedy="name files that can be read with --cert and --key") if lost else fault


def put_own(folder: StackFolder, settings: StackSettings, pair: OwnPair) -> None:
    """The user's pair in CERTS_DIR, where nginx reads it."""
    certs = folder.resolve(settings.certs_dir)
    ensure_folder(certs, mode=0o755)
    put_file(certs / "privkey.pem", pair.key, mode=SHARED, gid=settings.secrets_gid)
    put_file(certs / "fullchain.pem", pair.chain, mode=PUBLIC)


_COMMON_NAMES = (("fullchain.pem", "public.crt"), ("privkey.pem", "private.key"))
"""The names that nginx reads, and those of older set-ups."""


def adopt_common_names(certs: Path) -> None:
    """public.crt and private.key, as older set-ups name them, become links' targets of the names that nginx reads."""
    for usual, other in _COMMON_NAMES:
        if not (certs / usual).exists() and (certs / other).exists():
            (certs / usual).symlink_to(other)


def _issue(folder: StackFolder, settings: StackSettings, authority: issuing.Pair, *, now: dt.datetime) -> None:
    leaf = issuing.issue(authority, hosts_of(settings), now=now)
    certs, chain = folder.resolve(settings.certs_dir), leaf.certificate_pem + authority.certificate_pem
    if (certs / "fullchain.pem").exists() or (certs / "privkey.pem").exists():
        steps, _ = serving_pair(folder, settings).replace(folder.root, chain, leaf.key_pem, name=generation_name(now))
        for step in steps:
            step.carry_out(folder.root)
        return
    put_file(certs / "privkey.pem", leaf.key_pem, mode=SHARED, gid=settings.secrets_gid)
    put_file(certs / "fullchain.pem", chain, mode=PUBLIC)


def hosts_of(settings: StackSettings) -> list[str]:
    """Every name and address that the stack's certificate is for."""
    local = ["localhost", "127.0.0.1", "::1"] if hosts.is_loopback(settings.host) else []
    return [settings.host, settings.service_domain, *local]
