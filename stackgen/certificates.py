"""TLS of a stack: a local authority and the leaf that it issues, or a check of the user's own certificate."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from stackgen import values
from stackgen.errors import StackgenError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

    from stackgen.folder import StackFolder
    from stackgen.settings import StackSettings

_AUTHORITY_LIFE = dt.timedelta(days=3650)
_LEAF_LIFE = dt.timedelta(days=397)
_BACKDATED = dt.timedelta(hours=1)  # clients' clocks differ a little


def _utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def ensure_certificates(
    folder: StackFolder, settings: StackSettings, *, now: Callable[[], dt.datetime] = _utc_now
) -> None:
    """A usable certificate in CERTS_DIR: issued when it is missing or for another host; checked when it is yours."""
    certs = folder.resolve(settings.certs_dir)
    if settings.tls == "own":
        check_own(certs, settings.host, now())
        return
    _ensure_folder(certs, 0o755)
    key, authority = _load_or_make_authority(folder, now())
    if not _serves(certs / "fullchain.pem", settings.host, now()):
        _issue(certs, settings, key, authority, now=now(), gid=settings.secrets_gid)
    if not (certs / "ca.crt").exists():
        _write(certs / "ca.crt", _pem(authority), 0o644)


def check_own(certs: Path, host: str, now: dt.datetime) -> None:
    """StackgenError unless the certificate is readable, in date, for this host, and the key is its own."""
    chain, key = certs / "fullchain.pem", certs / "privkey.pem"
    adopt_common_names(certs)
    hint = f"put the certificate with its chain into {chain} and its key into {key}"
    try:
        leaf = x509.load_pem_x509_certificates(chain.read_bytes())[0]
        private = serialization.load_pem_private_key(key.read_bytes(), password=None)
    except FileNotFoundError as error:
        raise StackgenError(f"TLS=own needs {error.filename}", hint=hint) from None
    except OSError as error:
        raise StackgenError(f"{error.filename} can't be read: {error.strerror}", hint=f"ls -l {certs}") from None
    except (ValueError, TypeError) as error:
        raise StackgenError(f"{certs} holds no usable pair of PEM certificate and key: {error}", hint=hint) from None
    if _public_bytes(leaf.public_key()) != _public_bytes(private.public_key()):
        raise StackgenError(f"{key} is not the key of {chain}", hint=hint)
    if not leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc:
        raise StackgenError(
            f"{chain} is valid from {leaf.not_valid_before_utc:%Y-%m-%d} to {leaf.not_valid_after_utc:%Y-%m-%d}, "
            f"and today is {now:%Y-%m-%d}",
            hint="renew it, or use TLS=local meanwhile",
        )
    if not covers(leaf, host):
        names = ", ".join(_names_of(leaf)) or "nobody"
        raise StackgenError(f"{chain} is for {names}, not for {host}", hint="set SERVICE_DOMAIN, or get another one")


def adopt_common_names(certs: Path) -> None:
    """public.crt and private.key, as older set-ups name them, become links' targets of the names that nginx reads."""
    for usual, other in (("fullchain.pem", "public.crt"), ("privkey.pem", "private.key")):
        if not (certs / usual).exists() and (certs / other).exists():
            (certs / usual).symlink_to(other)


def covers(certificate: x509.Certificate, host: str) -> bool:
    """Whether a certificate is for a host: by address, by name, or by a wildcard of one label."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        wildcard = "*." + host.partition(".")[2]
        return any(name.lower() in {host, wildcard} for name in _names_of(certificate))
    return str(address) in _names_of(certificate)


def _names_of(certificate: x509.Certificate) -> list[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    names = extension.get_values_for_type(x509.DNSName)
    return [*names, *(str(address) for address in extension.get_values_for_type(x509.IPAddress))]


def _serves(chain: Path, host: str, now: dt.datetime) -> bool:
    try:
        leaf = x509.load_pem_x509_certificate(chain.read_bytes())
    except (OSError, ValueError):
        return False
    return covers(leaf, host) and now < leaf.not_valid_after_utc


def _load_or_make_authority(
    folder: StackFolder, now: dt.datetime
) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key_file, certificate_file = folder.authority / "ca.key", folder.authority / "ca.crt"
    if key_file.exists() and certificate_file.exists():
        key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise StackgenError(f"{key_file} is no key of stackgen's", hint="move ca/ away and render again")
        return key, x509.load_pem_x509_certificate(certificate_file.read_bytes())
    _ensure_folder(folder.authority, 0o700)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"stackgen local CA {os.urandom(4).hex()}")])
    usage = _key_usage(signs_certificates=True)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + _AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write(key_file, _private_pem(key), 0o600)
    _write(certificate_file, _pem(certificate), 0o644)
    return key, certificate


def _issue(
    certs: Path,
    settings: StackSettings,
    authority_key: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate,
    *,
    now: dt.datetime,
    gid: int,
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        x509.CertificateBuilder(
            authority.subject,
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, settings.host[:64])]),
            key.public_key(),
            x509.random_serial_number(),
        )
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(min(now + _LEAF_LIFE, authority.not_valid_after_utc))
        .add_extension(x509.SubjectAlternativeName(_alternative_names(settings)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    _write(certs / "privkey.pem", _private_pem(key), 0o640, gid)
    _write(certs / "fullchain.pem", _pem(certificate) + _pem(authority), 0o644)


def _alternative_names(settings: StackSettings) -> list[x509.GeneralName]:
    hosts = [settings.host, settings.service_domain]
    if values.is_loopback(settings.host):
        hosts += ["localhost", "127.0.0.1", "::1"]
    return [_general_name(host) for host in dict.fromkeys(hosts)]


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


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _public_bytes(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _ensure_folder(path: Path, mode: int) -> None:
    if not path.exists():
        path.mkdir(parents=True)
        path.chmod(mode)


def _write(path: Path, content: bytes, mode: int, gid: int | None = None) -> None:
    draft = path.with_name(f".{path.name}.tmp")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        if gid is not None and os.fstat(descriptor).st_gid != gid:
            os.fchown(descriptor, -1, gid)
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    draft.rename(path)
