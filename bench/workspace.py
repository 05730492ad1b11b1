"""The folder of one benchmark run: certificate, users, ports. Everything in it goes when the run ends."""

from __future__ import annotations

import secrets
import socket
import subprocess
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING

import bcrypt

if TYPE_CHECKING:
    from pathlib import Path

BCRYPT_COST = 10
USERS = 8


@dataclass(frozen=True, slots=True)
class Credential:
    """A user and the password."""

    user: str
    password: str

    @property
    def header(self) -> str:
        """The value of an Authorization header."""
        return "Basic " + b64encode(f"{self.user}:{self.password}".encode()).decode()

    @property
    def pair(self) -> str:
        """As command lines take it."""
        return f"{self.user}:{self.password}"


@dataclass(frozen=True, slots=True)
class Workspace:
    """Paths and users that every contender shares."""

    folder: Path
    credentials: tuple[Credential, ...]

    @property
    def certificate(self) -> Path:
        """The certificate of localhost, which is its own authority."""
        return self.folder / "tls" / "ca.crt"

    @property
    def key(self) -> Path:
        """Its private key."""
        return self.folder / "tls" / "key.pem"

    @property
    def htpasswd(self) -> Path:
        """The users, bcrypt at cost 10."""
        return self.folder / "htpasswd"


def make_workspace(folder: Path) -> Workspace:
    """Makes certificate and users in an empty folder."""
    workspace = Workspace(folder, tuple(Credential(f"user{n}", secrets.token_urlsafe(12)) for n in range(USERS)))
    workspace.certificate.parent.mkdir(parents=True)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", workspace.key, "-out", workspace.certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    lines = [f"{c.user}:{_hash(c.password)}\n" for c in workspace.credentials]
    workspace.htpasswd.write_text("".join(lines))
    return workspace


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _hash(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(BCRYPT_COST)).decode()
