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

if TYPE_CHECKING:
    from pathlib import Path

    from bench.workspace import Workspace

START_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Contender:
    """A registry with its command; `extra` is laid over the configuration that all share."""

    name: str
    command: tuple[str, ...]
    authenticated: bool = True
    extra: tuple[tuple[str, Any], ...] = ()


def ours(**stackgen: Any) -> Contender:
    """The registry of this checkout, as the rendered stack configures it."""
    extra = {"accel_redirect": "/_blobs/", "trusted_proxies": ["127.0.0.1/32"], **stackgen}
    return Contender("ours", (sys.executable, "-m", "registry_app"), extra=(("stackgen", extra),))


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
    return document | dict(contender.extra)


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
