"""The registries that are compared: how each is configured, started and stopped."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from bench.workspace import free_port

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bench.workspace import Workspace

START_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Contender:
    """A registry with its command; `overlay` gives what is laid over the configuration that all share.

    It is asked with the folder that the contender has for itself.
    """

    name: str
    command: tuple[str, ...]
    authenticated: bool = True
    overlay: Callable[[Path], dict[str, Any]] = lambda _: {}


def ours(*, metrics: bool = True, access_log: bool = False, **stackgen: Any) -> Contender:
    """The registry of this checkout, as the rendered stack configures it: it counts and audits, behind nginx.

    Its access log is off as that of its peers is, unless that is asked for.
    """
    port = free_port()

    def overlay(folder: Path) -> dict[str, Any]:
        behind_nginx = {"accel_redirect": "/_blobs/", "trusted_proxies": ["127.0.0.1/32"]}
        return {
            "log": {"level": "info" if access_log else "error", "accesslog": {"disabled": not access_log}},
            "http": {"debug": {"addr": f"127.0.0.1:{port}", "prometheus": {"enabled": metrics}}},
            "stackgen": {"audit_log": str(folder / "audit.log"), **behind_nginx, **stackgen},
        }

    return Contender("ours", (sys.executable, "-m", "registry_app"), overlay=overlay)


def configuration(contender: Contender, workspace: Workspace, *, root: Path, port: int) -> dict[str, Any]:
    """A config.yml in distribution's format. Pure."""
    document: dict[str, Any] = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(root)},
            "delete": {"enabled": True},
            "cache": {"blobdescriptor": "inmemory"},
        },
        "http": {"addr": f"127.0.0.1:{port}", "secret": "of-this-run-alone", "relativeurls": True},
    }
    if contender.authenticated:
        document["auth"] = {"htpasswd": {"realm": "bench", "path": str(workspace.htpasswd)}}
    for section, keys in contender.overlay(workspace.folder / contender.name).items():
        document[section] = document.get(section, {}) | keys
    return document


class RunningContender:
    """A started registry; `started_in` is seconds from exec to its first answer."""

    def __init__(self, contender: Contender, workspace: Workspace, *, root: Path, port: int) -> None:
        self.contender = contender
        self._port = port
        folder = workspace.folder / contender.name
        folder.mkdir(exist_ok=True)
        config = folder / "config.yml"
        config.write_text(yaml.safe_dump(configuration(contender, workspace, root=root, port=port)))
        self._log = (folder / "output.log").open("ab")
        start = time.monotonic()
        self._process = subprocess.Popen(
            [*contender.command, "serve", config], stdout=self._log, stderr=self._log, start_new_session=True
        )
        self._wait(folder / "output.log")
        self.started_in = time.monotonic() - start

    @property
    def pid(self) -> int:
        """The parent's process id."""
        return self._process.pid

    def stop(self) -> None:
        """Ends it as an orchestrator does."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(5)
        self._log.close()

    def _wait(self, log: Path) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"{self.contender.name} did not start: {log.read_text()[-2000:]}")
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
            try:
                connection.request("GET", "/v2/")
                connection.getresponse().read()
            except OSError:
                time.sleep(0.01)
            else:
                return
            finally:
                connection.close()
        raise RuntimeError(f"{self.contender.name} gave no answer within {START_SECONDS} s")
