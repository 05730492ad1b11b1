"""TLS of a stack: a local authority and the leaf that it issues, or a check of the user's own certificate."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography import x509

from registry_app import issuing
from stackgen import hosts
from stackgen.errors import StackgenError
from stackgen.rotation.generations import generation_name, serving_pair
from stackgen.secret_files import PRIVATE, PUBLIC, SHARED, ensure_folder, put_file

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


def ensure_certificates(
    folder: StackFolder, settings: StackSettings, *, now: Callable[[], dt.datetime] = _utc_now
) -> None:
    """A usable certificate in CERTS_DIR: issued when it is missing or for another host; checked when it is yours."""
    certs = folder.resolve(settings.certs_dir)
    if settings.tls == "own":
        check_own(certs, settings.host, now())
        return
    ensure_folder(certs, mode=0o755)
    authority = _load_or_make_authority(folder, now())
    if not _serves(certs / "fullchain.pem", settings.host, now()):
        _issue(folder, settings, authority, now=now())
    if not (certs / "ca.crt").exists():
        put_file(certs / "ca.crt", authority.certificate_pem, mode=PUBLIC)


def check_own(certs: Path, host: str, now: dt.datetime) -> None:
    """StackgenError unless the certificate is readable, in date, for this host, and the key is its own."""
    chain, key = certs / "fullchain.pem", certs / "privkey.pem"
    adopt_common_names(certs)
    try:
        texts = chain.read_bytes(), key.read_bytes()
    except FileNotFoundError as error:
        raise StackgenError(f"TLS=own needs {error.filename}", hint=_hint(chain, key)) from None
    except OSError as error:
        raise StackgenError(f"{error.filename} can't be read: {error.strerror}", hint=f"ls -l {certs}") from None
    check_pair(*texts, host, now, chain=chain, key=key)


def read_own(chain: Path, key: Path, host: str, *, now: Callable[[], dt.datetime] = _utc_now) -> OwnPair:
    """The user's pair of certificate and key from anywhere; StackgenError unless it is usable for this host."""
    try:
        certificate, private = chain.read_bytes(), key.read_bytes()
    except OSError as error:
        raise StackgenError(
            f"{error.filename} can't be read: {error.strerror}", hint="name readable PEM files with --cert and --key"
        ) from None
    check_pair(certificate, private, host, now(), chain=chain, key=key)
    return OwnPair(chain=certificate, key=private)


def put_own(folder: StackFolder, settings: StackSettings, pair: OwnPair) -> None:
    """The user's pair in CERTS_DIR, where nginx reads it."""
    certs = folder.resolve(settings.certs_dir)
    ensure_folder(certs, mode=0o755)
    put_file(certs / "privkey.pem", pair.key, mode=SHARED, gid=settings.secrets_gid)
    put_file(certs / "fullchain.pem", pair.chain, mode=PUBLIC)


def check_pair(certificate: bytes, private: bytes, host: str, now: dt.datetime, *, chain: Path, key: Path) -> None:
    """StackgenError unless a PEM certificate is in date, for this host, and has this key; files as they are called."""
    try:
        leaf = x509.load_pem_x509_certificates(certificate)[0]
        matching = issuing.is_pair(leaf, private)
    except (ValueError, TypeError) as error:
        raise StackgenError(
            f"{chain} and {key} are no usable pair of PEM certificate and key: {error}", hint=_hint(chain, key)
        ) from None
    if not matching:
        raise StackgenError(f"{key} is not the key of {chain}", hint=_hint(chain, key))
    if not leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc:
        raise StackgenError(
            f"{chain} is valid from {leaf.not_valid_before_utc:%Y-%m-%d} to {leaf.not_valid_after_utc:%Y-%m-%d}, "
            f"and today is {now:%Y-%m-%d}",
            hint="renew it, or use TLS=local meanwhile",
        )
    if not issuing.covers(leaf, host):
        names = ", ".join(issuing.names_of(leaf)) or "nobody"
        raise StackgenError(f"{chain} is for {names}, not for {host}", hint="set SERVICE_DOMAIN, or get another one")


def _hint(chain: Path, key: Path) -> str:
    return f"put the certificate with its chain into {chain} and its key into {key} (init also takes --cert and --key)"


def adopt_common_names(certs: Path) -> None:
    """public.crt and private.key, as older set-ups name them, become links' targets of the names that nginx reads."""
    for usual, other in (("fullchain.pem", "public.crt"), ("privkey.pem", "private.key")):
        if not (certs / usual).exists() and (certs / other).exists():
            (certs / usual).symlink_to(other)


def _serves(chain: Path, host: str, now: dt.datetime) -> bool:
    try:
        leaf = x509.load_pem_x509_certificate(chain.read_bytes())
    except (OSError, ValueError):
        return False
    return issuing.covers(leaf, host) and now < leaf.not_valid_after_utc


def load_authority(folder: StackFolder) -> issuing.Pair:
    """The local authority; StackgenError when it is missing or not ours."""
    key_file, certificate_file = folder.authority / "ca.key", folder.authority / "ca.crt"
    try:
        return issuing.load_authority(certificate=certificate_file.read_bytes(), key=key_file.read_bytes())
    except OSError as error:
        raise StackgenError(f"{error.filename} can't be read: {error.strerror}", hint="stackgen render") from None
    except ValueError:
        raise StackgenError(f"{key_file} is no key of stackgen's", hint="move ca/ away and render again") from None


def _load_or_make_authority(folder: StackFolder, now: dt.datetime) -> issuing.Pair:
    key_file, certificate_file = folder.authority / "ca.key", folder.authority / "ca.crt"
    if key_file.exists() and certificate_file.exists():
        return load_authority(folder)
    ensure_folder(folder.authority, mode=0o700)
    authority = issuing.make_authority(now=now)
    put_file(key_file, authority.key_pem, mode=PRIVATE)
    put_file(certificate_file, authority.certificate_pem, mode=PUBLIC)
    return authority


def _issue(folder: StackFolder, settings: StackSettings, authority: issuing.Pair, *, now: dt.datetime) -> None:
    leaf = issuing.issue(authority, hosts_of(settings), now=now)
    certs, chain = folder.resolve(settings.certs_dir), leaf.certificate_pem + authority.certificate_pem
    if (certs / "fullchain.pem").exists() and (certs / "privkey.pem").exists():
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
