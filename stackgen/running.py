"""What runs of a stack right now, and making it take up a new certificate or secret without a restart."""

from __future__ import annotations

import hashlib
import socket
import ssl
import time
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from stackgen import docker
from stackgen.shell import compose_line

if TYPE_CHECKING:
    from pathlib import Path

    from stackgen.folder import StackFolder
    from stackgen.profiles import KeptSecret
    from stackgen.settings import StackSettings

_NGINX = ("nginx", "-c", "/etc/nginx/stack/nginx.conf")
_PATIENCE = 20.0
"""Seconds in which the new certificate must be served: old worker processes may take a moment to go."""
_WORDS = 400


class ReloadError(Exception):
    """What is new was not taken up; the text says why. `service` is the one that should have, `remedy` the way on."""

    def __init__(self, message: str, *, service: str = "nginx", remedy: str = "") -> None:
        self.service = service
        self.remedy = remedy
        super().__init__(message)


def reload_certificate(folder: StackFolder, settings: StackSettings) -> None:
    """Has a running stack serve the certificate of CERTS_DIR; does nothing for one at rest. Raises ReloadError.

    nginx is asked to test it and then to reload. The registry with TLS of its own, and the embedded one, reread it.
    """
    services = running_services(folder)
    if "nginx" in services:
        _compose(folder, "exec", "-T", "nginx", *_NGINX, "-t")
        _compose(folder, "exec", "-T", "nginx", *_NGINX, "-s", "reload")
    elif settings.proxy == "nginx" or "registry" not in services:
        _require_rest(folder, settings)
        return
    _wait_until_served(folder, settings)


def reload_line(folder: StackFolder, settings: StackSettings) -> str:
    """What a person types to have a running stack serve the certificate of CERTS_DIR, where that did not happen."""
    if settings.proxy == "nginx":
        return compose_line(folder, "exec", "nginx", *_NGINX, "-s", "reload")
    return compose_line(folder, "restart", "registry")


def hand_over(folder: StackFolder, settings: StackSettings, secret: KeptSecret) -> None:
    """Has the service that keeps a copy of a secret take up its file; does nothing before its first start.

    Raises ReloadError, also where the copy can't be reached because the service is at rest.
    """
    if (why := why_out_of_reach(folder, settings, secret)) is not None:
        raise ReloadError(why, service=secret.service)
    if secret.service in running_services(folder):
        text = (folder.root / secret.path).read_text(encoding="utf-8")
        _compose(folder, "exec", "-T", secret.service, *secret.command, service=secret.service, given=text)


def why_out_of_reach(folder: StackFolder, settings: StackSettings, secret: KeptSecret) -> str | None:
    """Why the copy of a secret can't be changed now: the service, which alone can do that, rests. None if it can."""
    if not docker.installed() or secret.service in running_services(folder):
        return None
    labels = (f"project={settings.compose_project_name}", f"volume={secret.volume}")
    filters = [word for label in labels for word in ("--filter", f"label=com.docker.compose.{label}")]
    found = docker.ask("volume", "ls", "--quiet", *filters, cwd=folder.root)
    if not found.ok:
        return docker.find_trouble(found).message
    return f"{secret.service} keeps its own copy and is not running" if found.out.strip() else None


def running_services(folder: StackFolder) -> frozenset[str]:
    """The Compose services of the stack that run; none where no engine answers."""
    if not folder.compose.exists():
        return frozenset()
    listed = _list_running(folder)
    return frozenset(listed.out.split()) if listed.ok else frozenset()


def _list_running(folder: StackFolder) -> docker.Answer:
    return docker.compose(folder, "ps", "--services", "--status", "running")


def _require_rest(folder: StackFolder, settings: StackSettings) -> None:
    """ReloadError where a former certificate of the stack is served all the same, by whoever can't be told of the new.

    No engine answers, or not the one that runs it: to go on would leave the old one in force unnoticed, and lock out
    the clients that fetch a new authority.
    """
    certs = folder.resolve(settings.certs_dir)
    try:
        served = _served(settings)
    except OSError:
        return
    if served == _leaf(certs) or served not in {_leaf(place) for place in certs.glob("*generation-*Z")}:
        return
    listed = _list_running(folder)
    trouble = docker.Trouble("no nginx of its Compose project runs here", compose_line(folder, "ls", "--all"))
    if not listed.ok:
        trouble = docker.find_trouble(listed)
    raise ReloadError(
        f"what serves this stack on {_place(settings)} can't be told of a new certificate: {trouble.message}",
        remedy=trouble.remedy,
    )


def _compose(folder: StackFolder, *arguments: str, service: str = "nginx", given: str = "") -> None:
    done = docker.compose(folder, *arguments, given=given)
    if not done.ok:
        told = docker.words(done)[-_WORDS:] or f"docker compose {arguments[0]} ended with code {done.code}"
        raise ReloadError(told, service=service)


def _wait_until_served(folder: StackFolder, settings: StackSettings) -> None:
    wanted = _leaf(folder.resolve(settings.certs_dir))
    deadline = time.monotonic() + _PATIENCE
    while (problem := _problem(wanted, settings)) is not None:
        if time.monotonic() > deadline:
            raise ReloadError(f"the new certificate is not served on {_place(settings)} ({problem})")
        time.sleep(0.2)


def _problem(wanted: bytes, settings: StackSettings) -> str | None:
    try:
        served = _served(settings)
    except OSError as error:
        return str(error)
    if served == wanted:
        return None
    return f"a certificate with SHA-256 {hashlib.sha256(served).hexdigest()[:16]}… is"


def _served(settings: StackSettings) -> bytes:
    """The certificate, as DER, that a new connection to the stack gets. OSError where nothing answers."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # it is compared with files, byte for byte
    with (
        socket.create_connection((settings.own_address, settings.https_port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname=settings.host) as tls,
    ):
        return tls.getpeercert(binary_form=True) or b""


def _leaf(place: Path) -> bytes:
    """The certificate, as DER, of a folder that holds a chain; nothing where none can be read."""
    try:
        return x509.load_pem_x509_certificate((place / "fullchain.pem").read_bytes()).public_bytes(Encoding.DER)
    except (OSError, ValueError):
        return b""


def _place(settings: StackSettings) -> str:
    return f"{settings.own_address}:{settings.https_port}"
