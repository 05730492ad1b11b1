"""Starts the real service, gunicorn and all, on loopback: `with start_registry(tmp_path) as registry: …`."""

from __future__ import annotations

import http.client
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from base64 import b64encode
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bcrypt
import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

START_SECONDS = 20


@dataclass(slots=True)
class Answer:
    """One response, read whole."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def __getitem__(self, name: str) -> str | None:
        return self.headers[name]


@dataclass(slots=True)
class RunningRegistry:
    """A service that answers on 127.0.0.1; `root` is its rootdirectory, `log` the file it logs to."""

    port: int
    debug_port: int
    root: Path
    log: Path
    process: subprocess.Popen[bytes]
    user: str | None = None
    password: str | None = None
    closed: bool = field(default=False)

    @property
    def url(self) -> str:
        """Base URL without a trailing slash."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def authority(self) -> str:
        """Host and port, as image names begin."""
        return f"127.0.0.1:{self.port}"

    def request(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, *, auth: bool = True
    ) -> Answer:
        """Sends one request on a connection of its own; an iterable body goes out chunked."""
        headers = dict(headers or {})
        if auth and self.user is not None:
            headers.setdefault("Authorization", "Basic " + b64encode(f"{self.user}:{self.password}".encode()).decode())
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def ask_debug(self, path: str) -> Answer:
        """GET on the internal listener."""
        connection = http.client.HTTPConnection("127.0.0.1", self.debug_port, timeout=10)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def stop(self) -> int:
        """Ends the service as an orchestrator does, and gives its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            return self.process.wait(5)


def free_port() -> int:
    """A port that was free a moment ago, below those that the kernel gives to clients: none of them takes it since."""
    while True:
        port = 15_000 + secrets.randbelow(15_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def write_htpasswd(path: Path, **users: str) -> Path:
    """An htpasswd file with bcrypt entries of the lowest cost."""
    path.write_text("".join(f"{u}:{bcrypt.hashpw(p.encode(), bcrypt.gensalt(4)).decode()}\n" for u, p in users.items()))
    return path


def merged(base: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
    """The base with the extra's values laid over it, mapping by mapping."""
    result = dict(base)
    for name, value in extra.items():
        below = result.get(name)
        result[name] = merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result


@contextmanager
def start_registry(
    folder: Path,
    *,
    config: dict[str, Any] | None = None,
    users: dict[str, str] | None = None,
    environ: dict[str, str] | None = None,
    root: Path | None = None,
    port: int | None = None,
    wrapper: tuple[str, ...] = (),
    launch: Callable[[list[str], Path], subprocess.Popen[bytes]] | None = None,
) -> Iterator[RunningRegistry]:
    """A running registry below `folder`; `config` is laid over a small default; with `users` it asks for a login.

    The first user is the one that `request` logs in as. `wrapper` goes before the command (strace, faketime). `launch`
    starts the process from the arguments of `registry` and the path of the log, where a run has its own way.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port, debug_port = port or free_port(), free_port()
    root = root or folder / "registry"
    root.mkdir(parents=True, exist_ok=True)
    document: dict[str, Any] = {
        "version": 0.1,
        "log": {"level": "info"},
        "storage": {"filesystem": {"rootdirectory": str(root)}, "delete": {"enabled": True}},
        "http": {
            "addr": f"127.0.0.1:{port}",
            "draintimeout": "5s",
            "debug": {"addr": f"127.0.0.1:{debug_port}", "prometheus": {"enabled": True}},
        },
        "stackgen": {"workers": 2, "threads": 16, "reserve": 0},
    }
    if users:
        path = write_htpasswd(folder / "htpasswd", **users)
        document["auth"] = {"htpasswd": {"realm": "test", "path": str(path)}}
    path = folder / "config.yml"
    path.write_text(yaml.safe_dump(merged(document, config or {}), sort_keys=False))
    log = folder / "registry.log"
    process = (launch or partial(_launch, wrapper=wrapper, environ=environ or {}))(["serve", str(path)], log)
    first = next(iter((users or {}).items()), (None, None))
    registry = RunningRegistry(port, debug_port, root, log, process, *first)
    try:
        _wait(registry)
        yield registry
    finally:
        registry.stop()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _launch(
    arguments: list[str], log: Path, *, wrapper: tuple[str, ...], environ: dict[str, str]
) -> subprocess.Popen[bytes]:
    with log.open("ab") as stream:
        return subprocess.Popen(
            [*wrapper, sys.executable, "-m", "registry_app", *arguments],
            stdout=stream,
            stderr=stream,
            cwd=Path(__file__).parent.parent,
            env={**{k: v for k, v in os.environ.items() if not k.startswith("REGISTRY_")}, **environ},
            start_new_session=True,
        )


def _wait(registry: RunningRegistry) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and registry.process.poll() is None:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", registry.port), timeout=1).close()
            return
        time.sleep(0.02)
    raise AssertionError(f"the registry did not start:\n{registry.log.read_text()[-3000:]}")
