"""What is wrong with a certificate and its key, said before a server meets them. Pure: files come as they were read."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import pairwise
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from registry_app import issuing
from stackgen.shell import shell_line
from stackgen.values import say_span

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

_LABEL = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----")
_MARK = re.compile(rb"-----(?:BEGIN|END) [A-Z0-9 ]+-----")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_CERTIFICATES = {b"CERTIFICATE", b"X509 CERTIFICATE"}
_DER = b"\x30"
"""The first byte of every certificate, key and PKCS#12 file in binary."""
_RSA_BITS = 2048
"""What OpenSSL asks for at the security level that nginx's images are built with."""


class FaultKind(Enum):
    """In what way a pair can't be used, or should not be."""

    MISSING = auto()
    FORBIDDEN = auto()
    UNUSABLE = auto()
    MISMATCH = auto()
    DISORDER = auto()
    OTHER_HOST = auto()
    ENDED = auto()
    EARLY = auto()
    ENDING = auto()
    EXPOSED = auto()
    LOST = auto()
    """The authority that would issue the next certificate."""
    FOREIGN = auto()
    """Of another authority than the stack's own: who trusts this one is turned away."""

    @property
    def stops_a_server(self) -> bool:
        """Whether no server starts with it; with the others clients complain."""
        return self in {FaultKind.MISSING, FaultKind.FORBIDDEN, FaultKind.UNUSABLE, FaultKind.MISMATCH}


ENDING = dt.timedelta(days=21)
"""Before a certificate's end, from when on it is spoken of."""
WORRIES = frozenset({FaultKind.DISORDER, FaultKind.ENDING, FaultKind.LOST})
"""With these a pair is taken all the same: a server starts, and clients come in."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something at a file, and what to do about it when the pair is the user's own."""

    kind: FaultKind
    file: Path
    reason: str
    remedy: str

    @property
    def text(self) -> str:
        """File and reason."""
        return f"{self.file} {self.reason}"


@dataclass(frozen=True, slots=True)
class PairFile:
    """A file as it was read: its content, or why there is none; neither where it is not there."""

    path: Path
    content: bytes | None = field(default=None, repr=False)
    problem: str = ""
    forbidden: bool = False
    """Whether the problem is whoever asks."""

    @property
    def labels(self) -> tuple[bytes, ...]:
        """What the file's PEM blocks say they are."""
        return tuple(_LABEL.findall(self.content or b""))

    @property
    def holds_key(self) -> bool:
        """Whether one of them is a private key."""
        return any(label.endswith(b"PRIVATE KEY") for label in self.labels)

    @property
    def has_stray_mark(self) -> bool:
        """Whether a mark shares its line with something else: cryptography reads on, OpenSSL and so servers don't."""
        lines = (self.content or b"").removeprefix(_BYTE_ORDER_MARK).split(b"\n")
        return any(_MARK.search(line) and not _MARK.fullmatch(line.rstrip()) for line in lines)

    @property
    def holds_certificate(self) -> bool:
        """Whether one of them is a certificate."""
        return bool(_CERTIFICATES & set(self.labels))


@dataclass(frozen=True, slots=True)
class CertificatePair:
    """A certificate with its chain, and its key."""

    chain: PairFile
    key: PairFile


def find_faults(pair: CertificatePair, host: str, *, now: dt.datetime) -> tuple[Fault, ...]:
    """Everything that is wrong with a pair for this host at this time, the worst first."""
    if pair.chain.holds_key and not pair.chain.holds_certificate and pair.key.holds_certificate:
        return (_swapped(pair),)
    broken = tuple(fault for fault in (_chain_fault(pair), _key_fault(pair)) if fault is not None)
    if broken:
        return broken
    chain, key = load_chain(pair), _load_key(pair.key.content or b"")
    if not issuing.has_key(chain[0], key):
        return (_mismatch(pair, chain, key),)
    return (*_leaf_faults(pair.chain.path, chain[0], host, now), *_habits(pair, chain))


def load_chain(pair: CertificatePair) -> tuple[x509.Certificate, ...]:
    """The certificates of a chain as the file has them; none where it can't be read."""
    try:
        return tuple(x509.load_pem_x509_certificates(pair.chain.content or b""))
    except ValueError:
        return ()


def _swapped(pair: CertificatePair) -> Fault:
    chain, key = pair.chain.path, pair.key.path
    swap = (("mv", chain, chain.with_suffix(".swap")), ("mv", key, chain), ("mv", chain.with_suffix(".swap"), key))
    return Fault(
        FaultKind.UNUSABLE,
        chain,
        f"holds the key, and {key} the certificate: they are swapped",
        " && ".join(shell_line(*words) for words in swap),
    )


def _chain_fault(pair: CertificatePair) -> Fault | None:
    """Why the file holds no certificate that can be read."""
    file, path = pair.chain, pair.chain.path
    put = f"put the certificate with its chain, as PEM, into {path}"
    if file.content is None or not file.content.strip():
        return _absent(file, put)
    if not file.holds_certificate:
        return Fault(FaultKind.UNUSABLE, path, *_why_no_certificate(pair, put))
    if not load_chain(pair):
        return Fault(FaultKind.UNUSABLE, path, "holds a certificate that is damaged", put)
    if file.has_stray_mark:
        return Fault(FaultKind.UNUSABLE, path, *_why_stray(path))
    return None


def _why_stray(path: Path) -> tuple[str, str]:
    reason = (
        "has a -----BEGIN or -----END that shares its line with another, or stands behind blanks: no server reads that"
    )
    return reason, f"give each of them a line of its own in {path}, from the line's start"


def _why_no_certificate(pair: CertificatePair, put: str) -> tuple[str, str]:
    path, content = pair.chain.path, pair.chain.content or b""
    if pair.chain.holds_key:
        return "holds a private key and no certificate", put
    if any(label.endswith(b"CERTIFICATE REQUEST") for label in pair.chain.labels):
        return "holds a signing request, which is no certificate yet", put
    if b"TRUSTED CERTIFICATE" in pair.chain.labels:
        return "is in a form of OpenSSL's own (TRUSTED CERTIFICATE)", _rewrite("openssl", "x509", "-in", path, to=path)
    if content.startswith(_DER):
        remedy = _rewrite("openssl", "x509", "-inform", "der", "-in", path, to=path)
        return "is binary (DER or PKCS#12), not PEM", f"{remedy}; of a .p12 or .pfx: openssl pkcs12 -nokeys -in FILE"
    return "holds no PEM certificate", put


def _key_fault(pair: CertificatePair) -> Fault | None:
    """Why the file holds no key that a server can use."""
    file, path = pair.key, pair.key.path
    put = f"put the key of {pair.chain.path}, as PEM and without a passphrase, into {path}"
    if file.content is None or not file.content.strip():
        return _absent(file, put)
    if not file.holds_key:
        return Fault(FaultKind.UNUSABLE, path, *_why_no_key(pair, put))
    why = _why_useless(path, file.content, put) or (_why_stray(path) if file.has_stray_mark else None)
    return None if why is None else Fault(FaultKind.UNUSABLE, path, *why)


def _why_useless(path: Path, content: bytes, put: str) -> tuple[str, str] | None:
    """Reason and remedy of a private key that no server takes."""
    if b"ENCRYPTED" in content:
        remedy = _rewrite("openssl", "pkey", "-in", path, to=path)
        return "is encrypted, and a server that starts by itself has nobody to type the passphrase", remedy
    if b"OPENSSH PRIVATE KEY" in content:
        return "is a key in OpenSSH's own form, which TLS servers don't read", put
    try:
        key = _load_key(content)
    except (ValueError, TypeError):
        return "holds a key that is damaged", put
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < _RSA_BITS:
        weak = f"is an RSA key of {key.key_size} bits, and TLS servers ask for {_RSA_BITS}"
        return weak, "get a certificate for a new key"
    return None


def _why_no_key(pair: CertificatePair, put: str) -> tuple[str, str]:
    path = pair.key.path
    if pair.key.holds_certificate:
        return "holds a certificate and no key", put
    if any(label.endswith(b"PUBLIC KEY") for label in pair.key.labels):
        return "is the public half of a key", put
    if (pair.key.content or b"").startswith(_DER):
        return "is binary (DER or PKCS#12), not PEM", _rewrite("openssl", "pkey", "-in", path, to=path)
    return "holds no PEM key", put


def _absent(file: PairFile, put: str) -> Fault:
    if file.problem:
        kind = FaultKind.FORBIDDEN if file.forbidden else FaultKind.UNUSABLE
        return Fault(kind, file.path, f"can't be read: {file.problem}", shell_line("ls", "-ld", file.path))
    if file.content is None:
        return Fault(FaultKind.MISSING, file.path, "is missing", put)
    return Fault(FaultKind.UNUSABLE, file.path, "is empty", put)


def _rewrite(*words: str | Path, to: Path) -> str:
    """A command that writes a file anew, and leaves it alone where it fails."""
    draft = to.with_name(f"{to.name}.new")
    return f"{shell_line(*words, '-out', draft)} && {shell_line('mv', draft, to)}"


def _mismatch(pair: CertificatePair, chain: tuple[x509.Certificate, ...], key: PrivateKeyTypes) -> Fault:
    """The key is not the first certificate's: it is another one's of the chain, or of none."""
    place = next((number for number, one in enumerate(chain, 1) if issuing.has_key(one, key)), None)
    if place is not None:
        return Fault(
            FaultKind.MISMATCH,
            pair.chain.path,
            f"has the key's certificate at place {place}: the server's own must stand first",
            "put the server's own certificate first, then the one that signed it, and so on",
        )
    names = ", ".join(issuing.names_of(chain[0])) or chain[0].subject.rfc4514_string()
    return Fault(
        FaultKind.MISMATCH,
        pair.key.path,
        f"is not the key of {pair.chain.path}, which is for {names}",
        f"put the key that this certificate was requested with into {pair.key.path}, "
        f"or the key's own certificate into {pair.chain.path}",
    )


def _leaf_faults(path: Path, leaf: x509.Certificate, host: str, now: dt.datetime) -> Iterator[Fault]:
    """Whether clients accept the server's own certificate for this host today."""
    begin, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    dates = f"is valid from {begin:%Y-%m-%d} to {end:%Y-%m-%d}, and today is {now:%Y-%m-%d}"
    if now > end:
        yield Fault(FaultKind.ENDED, path, dates, "renew it and put it in place, or use TLS=local meanwhile")
    if now < begin:
        yield Fault(FaultKind.EARLY, path, dates, "is this machine's clock right? date -u")
    if now <= end < now + ENDING:
        left = f"ends in {say_span(end - now)}, on {end:%Y-%m-%d at %H:%M} UTC"
        yield Fault(FaultKind.ENDING, path, left, "renew it where you had it from, and put it in place")
    if issuing.covers(leaf, host):
        return
    names = issuing.names_of(leaf)
    known = f"is for {', '.join(names)}" if names else "names no host (it has no subjectAltName)"
    host_line = next((name for name in names if not name.startswith("*.")), None)
    other = f"; or serve under its name: --domain {host_line} with init, SERVICE_DOMAIN in .env" if host_line else ""
    yield Fault(FaultKind.OTHER_HOST, path, f"{known}, not for {host}", f"get a certificate for {host}{other}")


def _habits(pair: CertificatePair, chain: tuple[x509.Certificate, ...]) -> Iterator[Fault]:
    """What a server starts with, and should not."""
    path = pair.chain.path
    if pair.chain.holds_key:
        yield Fault(
            FaultKind.EXPOSED,
            path,
            "holds the private key too, and everybody on this machine may read it",
            f"leave the certificates alone in {path}; the key belongs into {pair.key.path}",
        )
    for place, (child, parent) in enumerate(pairwise(chain), 2):
        if not signed_by(child, parent):
            yield Fault(
                FaultKind.DISORDER,
                path,
                f"is out of order: its certificate {place} ({parent.subject.rfc4514_string()}) did not sign the one "
                "before it",
                "put the server's own first, then the one that signed it, and so on, and nothing else",
            )
            return


def signed_by(child: x509.Certificate, parent: x509.Certificate) -> bool:
    """Whether one certificate was issued by another."""
    try:
        child.verify_directly_issued_by(parent)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _load_key(content: bytes) -> PrivateKeyTypes:
    return serialization.load_pem_private_key(content, password=None)
