"""What a published stack needs before its services start: configuration, certificate, secrets and a first user.

Run as `registry init-stack` by a one-shot container. Each step makes what is missing and leaves what is there, so
that it may run at every start; whatever it writes appears whole or not at all.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography import x509

from registry_app import issuing
from registry_app.auth.access_file import DEFAULT_ACCESS
from registry_app.auth.htpasswd import hash_password
from registry_app.auth.user_names import check_user_name

if TYPE_CHECKING:
    from pathlib import Path

_RENEW_BEFORE = dt.timedelta(days=30)
_PUBLIC, _SHARED, _PRIVATE = 0o644, 0o640, 0o600
# By group or everybody: this service may be the owner, nginx never is.
_READ_BY_OTHERS = 0o044
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_LONGEST_HOST = 253
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE)


class FirstStartError(Exception):
    """The stack can't start so; the message says why and what to change."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where things lie in the one-shot container; each is a volume, or a folder that the consumer gave."""

    incoming: Path
    """Files of configuration as they came with the artifact."""
    config: Path
    """What the services mount of them."""
    certs: Path
    secrets: Path
    keep: Path
    """Mounted by no service: the authority's key and the first user's password."""
    profile_secrets: Path


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the consumer's `.env` says; FirstStartError for what would make a stack that does not last."""

    host: str
    user: str = "admin"
    project: str = "PROJECT"
    profile_secrets: tuple[str, ...] = field(default_factory=tuple)
    """Paths below `Places.profile_secrets`."""
    folders: dict[str, str] = field(default_factory=dict)
    """Variable → folder of the host that is used instead of a volume."""

    def __post_init__(self) -> None:
        """Checks names and folders before anything is written."""
        for name, folder in self.folders.items():
            if folder.startswith("."):
                # To Compose it starts where the artifact was unpacked: a folder of its cache for each version.
                raise FirstStartError(
                    f"{name}={folder} would lie in a cache of Compose's, elsewhere with each version: "
                    f"write an absolute path into .env"
                )
        try:
            check_user_name(self.user)
        except ValueError as error:
            raise FirstStartError(f"REGISTRY_ADMIN_USER={self.user!r} {error}") from None


def prepare(places: Places, wishes: Wishes, *, now: dt.datetime) -> list[str]:
    """Make what is missing; says what was made. Raises FirstStartError for a certificate given for another host."""
    done = [f"{count} configuration files" for count in [copy_tree(places.incoming, places.config)] if count]
    first = not (places.certs / "fullchain.pem").exists()
    if _ensure_certificate(places, wishes.host, now=now):
        done.append(f"{'a' if first else 'another'} certificate for {wishes.host}")
        if not first and (places.config / "nginx").is_dir():
            done[-1] += (
                f" (an nginx that runs already takes it up by: docker compose -p {wishes.project} restart nginx)"
            )
    return done + _ensure_secrets(places, wishes)


def parse_host(text: str) -> str:
    """SERVICE_DOMAIN without the brackets of an IPv6 address, which it needs because it stands in URLs."""
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        six = ipaddress.ip_address(bare).version == 6  # noqa: PLR2004 - as in IPv6
    except ValueError:
        six = False
    if six and bare == text:
        raise FirstStartError(f"an IPv6 address stands in brackets: write SERVICE_DOMAIN=[{text}] into .env")
    if not six and ("[" in text or ":" in text):
        raise FirstStartError(
            f"SERVICE_DOMAIN={text} is neither a name nor an address: leave out scheme, port and path"
        )
    if not six and not (len(bare) <= _LONGEST_HOST and all(map(_LABEL.fullmatch, bare.split(".")))):
        raise FirstStartError(
            f"SERVICE_DOMAIN={text!r} is no host name: it has letters, digits, - and dots, as registry.example.com"
        )
    return bare.lower()


def copy_tree(source: Path, target: Path) -> int:
    """Make a folder hold exactly the files of another; gives how many were new, changed or removed."""
    wanted = {path.relative_to(source) for path in source.rglob("*") if path.is_file()}
    changed = 0
    for relative in sorted(wanted):
        content = (source / relative).read_bytes()
        place = target / relative
        if not place.is_file() or place.read_bytes() != content:
            place.parent.mkdir(parents=True, exist_ok=True)
            _write(place, content, _PUBLIC)
            changed += 1
    for stale in sorted(
        path for path in target.rglob("*") if path.is_file() and path.relative_to(target) not in wanted
    ):
        stale.unlink()
        changed += 1
    return changed


def _ensure_certificate(places: Places, host: str, *, now: dt.datetime) -> bool:
    """Whether a certificate was issued: where none is, and where ours ends soon, is for another host or lacks its key.

    One that was given is theirs to renew; the doctor and the alerts speak of its end.
    """
    chain, key = places.certs / "fullchain.pem", places.certs / "privkey.pem"
    if chain.exists() or key.exists():
        if not _is_ours(places):
            _check_given(chain, key, host)
            return False
        if _serves(chain, key, host) and _load(chain).not_valid_after_utc - now > _RENEW_BEFORE:
            return False
    authority = _authority(places.keep, now=now)
    leaf_pair = issuing.issue(authority, _hosts(host), now=now)
    _write(places.certs / "ca.crt", authority.certificate_pem, _PUBLIC)
    _write(key, leaf_pair.key_pem, _SHARED)
    _write(chain, leaf_pair.certificate_pem + authority.certificate_pem, _PUBLIC)
    return True


def _is_ours(places: Places) -> bool:
    """Whether our authority issued what lies there; of a key alone, as a crash leaves it, the copy beside it tells."""
    own, chain, copy = places.keep / "ca.crt", places.certs / "fullchain.pem", places.certs / "ca.crt"
    if not own.exists():
        return False
    if chain.exists():
        return _load(chain).issuer == _load(own).subject
    return copy.exists() and copy.read_bytes() == own.read_bytes()


def _serves(chain: Path, key: Path, host: str) -> bool:
    """Whether certificate and key are there, one pair, and for the host."""
    if not (chain.exists() and key.exists()):
        return False
    return issuing.covers(_load(chain), host) and issuing.is_pair(_load(chain), key.read_bytes())


def _check_given(chain: Path, key: Path, host: str) -> None:
    """FirstStartError for a certificate and key that nginx could not serve; neither is ever written over."""
    for missing, there in ((chain, key), (key, chain)):
        if not missing.exists():
            raise FirstStartError(
                f"CERTS_DIR holds {there.name} and no {missing.name}: put it there, or take {there.name} out, "
                "and a certificate is made"
            )
    leaf = _load(chain)
    try:
        fits = issuing.is_pair(leaf, key.read_bytes())
    except PermissionError:
        raise _unreadable(key) from None
    except (ValueError, TypeError):
        raise FirstStartError(f"{key.name} in CERTS_DIR is no PEM key, or has a passphrase") from None
    if not key.stat().st_mode & _READ_BY_OTHERS:
        raise _unreadable(key)
    if not fits:
        raise FirstStartError(f"{key.name} in CERTS_DIR is not the key of {chain.name}: put the pair there")
    if not issuing.covers(leaf, host):
        names = ", ".join(issuing.names_of(leaf)) or "no name"
        raise FirstStartError(f"the certificate given is for {names}, not for {host}: change SERVICE_DOMAIN or it")


def _unreadable(key: Path) -> FirstStartError:
    group = os.getgid()
    return FirstStartError(
        f"nginx may not read {key.name} in CERTS_DIR: it is of the group {group}: chgrp {group} and chmod g+r"
    )


def _load(path: Path) -> x509.Certificate:
    """The first certificate of a file; FirstStartError where there is none."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError:
        raise FirstStartError(f"{path.name} holds no certificate in PEM: put another one there") from None


def _authority(keep: Path, *, now: dt.datetime) -> issuing.Pair:
    certificate, key = keep / "ca.crt", keep / "ca.key"
    if certificate.exists() and key.exists():
        return issuing.load_authority(certificate=certificate.read_bytes(), key=key.read_bytes())
    authority = issuing.make_authority(now=now)
    _write(key, authority.key_pem, _PRIVATE)
    _write(certificate, authority.certificate_pem, _PUBLIC)
    return authority


def _hosts(host: str) -> tuple[str, ...]:
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost"
    return (host, *_LOOPBACK) if local else (host,)


def _ensure_secrets(places: Places, wishes: Wishes) -> list[str]:
    """The http secret, the first user and the profiles' secrets; says which were made."""
    done = []
    if _ensure_random(places.secrets / "http_secret"):
        done.append("the http secret")
    htpasswd, password = places.secrets / "htpasswd", places.keep / "admin_password"
    if not htpasswd.exists():
        if not password.exists():
            _write(password, (secrets.token_urlsafe(18) + "\n").encode(), _PRIVATE)
        line = f"{wishes.user}:{hash_password(password.read_bytes().strip())}\n"
        _write(htpasswd, line.encode(), _SHARED)
        done.append(f"the user {wishes.user}")
    if not (places.secrets / "access.yaml").exists():
        _write(places.secrets / "access.yaml", DEFAULT_ACCESS, _SHARED)
        done.append("the rules of access")
    done += [path for path in wishes.profile_secrets if _ensure_random(places.profile_secrets / path)]
    return done


def _ensure_random(path: Path) -> bool:
    if path.exists():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, (secrets.token_urlsafe(32) + "\n").encode(), _SHARED)
    return True


def _write(path: Path, content: bytes, mode: int) -> None:
    """A file that appears whole, with its mode, and stays after a power cut."""
    draft = path.with_name(f".{path.name}.tmp")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    draft.rename(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
