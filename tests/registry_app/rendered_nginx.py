"""The nginx.conf that `stackgen render` writes, under the machine's own nginx, in front of a running registry."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import time
import urllib.request
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from stackgen.env_file import read_settings
from stackgen.planning import PlanInputs, plan_stack
from tests.serving import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.serving import RunningRegistry

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
# Names and places of the container, and what an nginx of Debian stable does not know yet: (what is rendered, what stands
# here instead). Everything else is used as it is rendered.
CHANGES = (
    ("worker_processes auto;", "worker_processes 1; daemon off; {user}"),
    ("worker_rlimit_nofile 16384;", ""),
    ("pid /tmp/", "pid {folder}/"),
    ("error_log /dev/stderr", "error_log {folder}/error.log"),
    ("access_log /dev/stdout", "access_log {folder}/access.log"),
    ("_temp_path /tmp/", "_temp_path {folder}/"),
    ("    worker_connections 6144;", "    worker_connections 512;"),
    ("keepalive_min_timeout 10s;", ""),
    ("resolver 127.0.0.11 valid=2s;", ""),
    ("zone registry 128k;", ""),
    ("zone registry_alone 128k;", ""),
    ("zone registry_or_wait 128k;", ""),
    ("server registry:5000 resolve ", "server 127.0.0.1:{upstream} "),
    ("127.0.0.1:8082", "127.0.0.1:{waiting}"),
    ("/etc/nginx/certs/fullchain.pem", "{folder}/server.pem"),
    ("/etc/nginx/certs/privkey.pem", "{folder}/server.pem"),
    ("ssl_ecdh_curve ?X25519MLKEM768:", "ssl_ecdh_curve "),
    ("include /etc/nginx/stack/conf.d/*.conf;", ""),
    ("include /etc/nginx/stack/conf.d/server/*.conf;", ""),
    ("listen 8081;", "listen 127.0.0.1:{status};"),
    ("listen 8080 default_server;", "listen 127.0.0.1:{plain} default_server;"),
    ("listen 8443 ssl default_server;", "listen 127.0.0.1:{port} ssl default_server;"),
    ("http2 on;", ""),
    ("/var/lib/registry/", "{root}/"),
)


@dataclass(frozen=True, slots=True)
class Front:
    """A running nginx: TLS on 127.0.0.1 under the name localhost, and plain HTTP that leads there."""

    port: int
    plain_port: int
    status_port: int
    context: ssl.SSLContext
    access_log: Path
    error_log: Path

    def accepted(self) -> int:
        """Connections taken so far, this question's and those from its own waiting room included."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.status_port}/stub_status", timeout=10) as answer:
            return int(answer.read().split()[7])

    def requests(self) -> list[dict[str, Any]]:
        """Every request that nginx took for one, in the order of their ends."""
        return [json.loads(line) for line in self.access_log.read_text().splitlines()]


def rendered(**places: Any) -> str:
    """The rendered configuration with the places of a test; a change that changes nothing fails."""
    read = read_settings("SERVICE_DOMAIN=localhost\nHTTP_PORT=80\nLOG_FORMAT=json\n")
    assert read.settings is not None, read.problems
    text = plan_stack(PlanInputs(read.settings)).file("nginx/nginx.conf").content.decode()
    for before, after in CHANGES:
        assert before in text, before
        text = text.replace(before, after.format(**places))
    return text


@contextmanager
def rendered_nginx(registry: RunningRegistry, folder: Path) -> Iterator[Front]:
    """The rendered front of a stack before this registry."""
    if not Path(NGINX).exists():
        pytest.skip("nginx is not installed")
    folder.mkdir()
    _make_certificate(folder)
    port, plain, status = free_port(), free_port(), free_port()
    user = "user root;" if os.geteuid() == 0 else ""
    places = {"folder": folder, "port": port, "status": status, "plain": plain, "user": user}
    places["waiting"] = free_port()
    text = rendered(**places, upstream=registry.port, root=registry.root)
    (folder / "nginx.conf").write_text(text)
    with (folder / "stderr").open("wb") as errors:
        process = subprocess.Popen([NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf")], stderr=errors)
    context = ssl.create_default_context(cafile=str(folder / "server.pem"))
    try:
        _wait(process, folder)
        yield Front(port, plain, status, context, folder / "access.log", folder / "error.log")
    finally:
        process.terminate()
        process.wait(5)


def _make_certificate(folder: Path) -> None:
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")]
    subprocess.run(["openssl", "req", "-x509", *kind, *names, *files], check=True, capture_output=True)
    (folder / "server.pem").write_text((folder / "certificate.pem").read_text() + (folder / "key.pem").read_text())


def _wait(process: subprocess.Popen[bytes], folder: Path) -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        with suppress(FileNotFoundError):
            if (folder / "nginx.pid").read_text():
                return
        if process.poll() is not None:
            break
        time.sleep(0.02)
    raise AssertionError(f"nginx did not start: {(folder / 'stderr').read_text()}")
