"""A real registry to talk to: Debian's docker-registry with users, on loopback, with and without TLS."""

from __future__ import annotations

import datetime as dt
import ipaddress
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import bcrypt
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from stackgen.distribution.client import RegistryClient
from stackgen.distribution.logins import Login
from stackgen.distribution.transport import Transport

if TYPE_CHECKING:
    from pathlib import Path

ALICE = Login(user="alice", password="correct horse")


@dataclass(frozen=True)
class PeerRegistry:
    host: str
    root: Path
    ca: Path | None
    login: Login = ALICE

    def client(self, login: Login | None = ALICE) -> RegistryClient:
        return RegistryClient(
            self.host,
            transport=Transport(ca=self.ca, seconds=10),
            login=login,
            plain_http=self.ca is None,
            sleep=lambda _: None,
        )


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that is its own CA, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "peer registry")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, private = folder / "tls.crt", folder / "tls.key"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return pem, private


def free_port() -> int:
    """A port of loopback that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running(folder, *, tls, users=True):
    """Debian's docker-registry, with one user or open to all; skipped where the program is not installed."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("docker-registry is not installed (scripts/prerequisites)")
    (folder / "htpasswd").write_bytes(b"alice:" + bcrypt.hashpw(ALICE.password.encode(), bcrypt.gensalt(4)) + b"\n")
    port = free_port()
    http = {"addr": f"127.0.0.1:{port}"}
    if tls is not None:
        http["tls"] = {"certificate": str(tls[0]), "key": str(tls[1])}
    configuration = {
        "version": 0.1,
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "tree")}, "delete": {"enabled": True}},
        "http": http,
    }
    if users:
        configuration["auth"] = {"htpasswd": {"realm": "peer", "path": str(folder / "htpasswd")}}
    (folder / "config.yml").write_text(yaml.safe_dump(configuration))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "serve", folder / "config.yml"], stdout=log, stderr=log)
    try:
        wait_for(port)
        yield PeerRegistry(host=f"127.0.0.1:{port}", root=folder / "tree", ca=tls and tls[0])
    finally:
        process.terminate()
        process.wait(10)


def wait_for(port: int) -> None:
    """Return once something listens."""
    for _ in range(1200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError("docker-registry did not start")
