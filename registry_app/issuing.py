"""Certificates of a local authority: made and judged here, written by whoever asks. Pure but for random keys.

The service never imports this while it serves: the tool does, and `registry init-stack` before the service starts.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

AUTHORITY_LIFE = dt.timedelta(days=3650)
LEAF_LIFE = dt.timedelta(days=397)
_BACKDATED = dt.timedelta(hours=1)  # clients' clocks differ a little
_LOCAL = "stackgen local CA"
_COMMON_NAME_LENGTH = 64  # RFC 5280, ub-common-name


@dataclass(frozen=True, slots=True)
class Pair:
    """A private key and its certificate."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def certificate_pem(self) -> bytes:
        """The certificate alone."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The key, unencrypted: whoever writes it sees to the mode."""
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def make_authority(*, now: dt.datetime) -> Pair:
    """A new authority. It signs leaves, and the authority that follows it (`cross_sign`)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{_LOCAL} {os.urandom(4).hex()}")])
    builder = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return Pair(key, builder.sign(key, hashes.SHA256()))


def is_local(certificate: x509.Certificate) -> bool:
    """Whether a certificate is one of `make_authority`, by its name."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return any(str(name.value).startswith(_LOCAL) for name in names)


def cross_sign(old: Pair, new: Pair, *, now: dt.datetime, until: dt.datetime) -> x509.Certificate:
    """The new authority as the old one vouches for it: whoever trusts the old one alone trusts its leaves `until`.

    ValueError where the old one may not sign authorities.
    """
    constraints = old.certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    if constraints.path_length == 0:
        raise ValueError("the old authority may sign leaves alone")
    builder = (
        x509.CertificateBuilder(
            old.certificate.subject, new.certificate.subject, new.key.public_key(), x509.random_serial_number()
        )
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(min(until, old.certificate.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(new.key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(old.key.public_key()), critical=False)
    )
    return builder.sign(old.key, hashes.SHA256())


def load_authority(*, certificate: bytes, key: bytes) -> Pair:
    """An authority from PEM; ValueError for keys that are not this module's."""
    private = serialization.load_pem_private_key(key, password=None)
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise ValueError("not a key on an elliptic curve")  # noqa: TRY004 - a wrong file, not a wrong call
    return Pair(private, x509.load_pem_x509_certificate(certificate))


def issue(authority: Pair, hosts: Iterable[str], *, now: dt.datetime) -> Pair:
    """A new key and certificate for a server under these names and addresses; the first is its common name."""
    names = list(dict.fromkeys(hosts))
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:_COMMON_NAME_LENGTH])])
    issuer_key = authority.key.public_key()
    builder = (
        x509.CertificateBuilder(authority.certificate.subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(min(now + LEAF_LIFE, authority.certificate.not_valid_after_utc))
        .add_extension(x509.SubjectAlternativeName([_general_name(host) for host in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
    )
    return Pair(key, builder.sign(authority.key, hashes.SHA256()))


def is_issued(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """Whether an authority issued a certificate, by name and signature."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def covers(certificate: x509.Certificate, host: str) -> bool:
    """Whether a certificate is for a host: by address, by name, or by a wildcard of one label."""
    try:
        return str(ipaddress.ip_address(host)) in names_of(certificate)
    except ValueError:
        wildcard = "*." + host.partition(".")[2]
        return any(name.lower() in {host.lower(), wildcard.lower()} for name in names_of(certificate))


def names_of(certificate: x509.Certificate) -> list[str]:
    """Every DNS name and address that a certificate is for."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    names = extension.get_values_for_type(x509.DNSName)
    return [*names, *(str(address) for address in extension.get_values_for_type(x509.IPAddress))]


def is_pair(certificate: x509.Certificate, key: bytes) -> bool:
    """Whether a PEM key belongs to a certificate; ValueError where it is no key."""
    return has_key(certificate, serialization.load_pem_private_key(key, password=None))


def has_key(certificate: x509.Certificate, key: PrivateKeyTypes) -> bool:
    """Whether a key belongs to a certificate."""
    return _public_bytes(key.public_key()) == _public_bytes(certificate.public_key())


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _public_bytes(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
