"""The stack's own authority: made once, put back from what is left of it, and never replaced without being asked."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from registry_app import issuing
from stackgen.certificate_pair import Fault, FaultKind
from stackgen.errors import StackgenError, refusal
from stackgen.secret_files import PRIVATE, PUBLIC, ensure_folder, is_lost, put_file
from stackgen.shell import shell_line, stackgen_line
from stackgen.writing import ensure_state, write_text

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator
    from pathlib import Path

    from stackgen.folder import StackFolder


def find_authority_fault(folder: StackFolder, certs: Path) -> Fault | None:
    """Why the stack can't issue certificates any more; None where it can, or never could."""
    if not was_made(folder, certs):
        return None
    key = _key(folder)
    try:
        if next(_certificates(folder, certs, key.read_bytes()), None) is not None:
            return None
        why = f"has lost its certificate: none is left in {_certificate(folder)} or {certs}"
    except FileNotFoundError:
        why = "is lost: without it the certificate can't be renewed"
    except PermissionError:
        return None  # for its owner to judge
    except (OSError, ValueError, TypeError):
        why = "holds no key that can be read: without it the certificate can't be renewed"
    return Fault(FaultKind.LOST, key, why, _renewal(folder))


def was_made(folder: StackFolder, certs: Path) -> bool:
    """Whether there is, or once was, an authority of the stack's."""
    if not folder.is_stack():
        return False
    traces = (folder.authority_made, folder.authority, certs / "ca.crt")
    return any(path.exists() for path in traces) or any(map(issuing.is_local, _read(certs / "fullchain.pem")))


def keep_witness(folder: StackFolder) -> None:
    """Remembers that there is an authority, so that it is missed where all of it is lost at once."""
    if not folder.authority_made.exists():
        ensure_state(folder)
        write_text(folder.authority_made, "This stack has had an authority of its own: clients may trust it.\n")


def find_strangers(folder: StackFolder, certs: Path, chain: tuple[x509.Certificate, ...]) -> tuple[Fault, ...]:
    """What is of another authority than the one whose key is here: the certificate that is served, or a copy of ours.

    None where there is no authority, or it may not be looked at: that is told by `find_authority_fault`.
    """
    try:
        authority = _find(folder, certs)
    except (OSError, ValueError, TypeError):
        return ()
    if authority is None:
        return ()
    ours, copies = authority.certificate, (_certificate(folder), certs / "ca.crt")
    if chain and not issuing.is_issued(chain[0], ours):
        if any(issuing.is_issued(chain[0], one) for one in _read(certs / "ca.crt")):
            why = f"is of another authority than the one that issued {certs / 'fullchain.pem'}"
            return (Fault(FaultKind.FOREIGN, _key(folder), why, _renewal(folder)),)
        renew = f"{stackgen_line(folder, 'rotate', 'tls')} (or, if the files are yours: TLS=own)"
        why = "was not issued by the stack's own authority, which is the one that clients trust"
        return (Fault(FaultKind.FOREIGN, certs / "fullchain.pem", why, renew),)
    return tuple(
        _as_other(folder, path) for path in copies if not is_lost(path) and _readable(path) and ours not in _read(path)
    )


def _as_other(folder: StackFolder, path: Path) -> Fault:
    put_back = f"{shell_line('rm', path)} && {stackgen_line(folder, 'render')}"
    return Fault(FaultKind.FOREIGN, path, "does not hold the certificate of the stack's authority", put_back)


def _readable(path: Path) -> bool:
    return os.access(path, os.R_OK)


def find_missing_copies(folder: StackFolder, certs: Path) -> tuple[Path, ...]:
    """The places where the authority's certificate is missing, and can be written."""
    if find_authority_fault(folder, certs) is not None:
        return ()
    return tuple(path for path in (_certificate(folder), certs / "ca.crt") if is_lost(path))


def load_authority(folder: StackFolder, certs: Path) -> issuing.Pair:
    """The authority; StackgenError where it is lost, or may not be read."""
    if (fault := find_authority_fault(folder, certs)) is not None:
        raise refusal((fault,))
    try:
        authority = _find(folder, certs)
    except OSError as error:
        raise StackgenError(f"{error.filename} can't be read: {error.strerror}", hint="ls -l ca") from None
    except (ValueError, TypeError):
        raise StackgenError(f"{_key(folder)} is no key of stackgen's", hint=_renewal(folder)) from None
    if authority is None:
        raise StackgenError(f"{_key(folder)} is missing", hint=_renewal(folder))
    return authority


def ensure_authority(folder: StackFolder, certs: Path, *, now: dt.datetime) -> issuing.Pair:
    """The authority, with its certificate in both places; a new one where there never was one."""
    authority = load_authority(folder, certs) if was_made(folder, certs) else _find(folder, certs)
    if authority is not None and (end := authority.certificate.not_valid_after_utc) <= now:
        renew = stackgen_line(folder, "rotate", "--keep-old", "0s", "ca")
        raise StackgenError(
            f"the stack's authority was valid until {end:%Y-%m-%d}, and today is {now:%Y-%m-%d}: it can issue nothing",
            hint=f"is the clock right? date -u; if so, a new one, which every client has to be given: {renew}",
        )
    if authority is None:
        ensure_folder(folder.authority, mode=0o700)
        authority = issuing.make_authority(now=now)
        put_file(_key(folder), authority.key_pem, mode=PRIVATE)
        put_file(_certificate(folder), authority.certificate_pem, mode=PUBLIC)
    for path in (_certificate(folder), certs / "ca.crt"):
        if is_lost(path):
            put_file(path, authority.certificate_pem, mode=PUBLIC)
    return authority


def _find(folder: StackFolder, certs: Path) -> issuing.Pair | None:
    """The authority's key with its certificate, from wherever a copy lies; None where one of them is missing.

    OSError for a key that can't be read, ValueError for one that is none of ours.
    """
    try:
        key = _key(folder).read_bytes()
    except FileNotFoundError:
        return None
    certificate = next(_certificates(folder, certs, key), None)
    if certificate is None:
        return None
    return issuing.load_authority(certificate=certificate.public_bytes(Encoding.PEM), key=key)


def _renewal(folder: StackFolder) -> str:
    renew = stackgen_line(folder, "rotate", "--keep-old", "0s", "ca")
    return f"put it back from a backup; or make a new authority, which every client has to be given: {renew}"


def _key(folder: StackFolder) -> Path:
    return folder.authority / "ca.key"


def _certificate(folder: StackFolder) -> Path:
    return folder.authority / "ca.crt"


def _certificates(folder: StackFolder, certs: Path, key: bytes) -> Iterator[x509.Certificate]:
    """The key's own certificates among all that the stack holds; ValueError for a key that is none."""
    for path in (_certificate(folder), certs / "ca.crt", certs / "fullchain.pem"):
        # Another authority's word for this one has the same key and another issuer.
        yield from (one for one in _read(path) if one.issuer == one.subject and issuing.is_pair(one, key))


def _read(path: Path) -> list[x509.Certificate]:
    """The certificates of a file; none where it can't be read."""
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError):
        return []
