"""Registries under test: ours, and any other binary with upstream's command line."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import yaml

from tests.faults.warm import start_warm
from tests.serving import free_port, start_registry


@dataclass
class Running:
    """A registry that answers on this port; `process` leads a process group of its own."""

    port: int
    process: Any
    debug_port: int | None = None

    def kill(self):
        """Ends the whole process group at once, as a power switch does for a process."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(20)


@contextmanager
def start_ours(folder, root, *, config=None, wrapper=()):
    """Our registry on an existing tree; what a collection does is up to the run. Started warm unless wrapped."""
    quiet = {"log": {"level": "error"}, "stackgen": {"gc": {"enabled": False}, "scrub": {"enabled": False}}}
    launch = None if wrapper else start_warm
    config = {**quiet, **(config or {})}
    with start_registry(folder, root=root, config=config, wrapper=wrapper, launch=launch) as registry:
        yield Running(registry.port, registry.process, registry.debug_port)


@contextmanager
def start_peer(binary, folder, root):
    """Another registry (docker-registry, distribution) on the same kind of tree."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "peer.yml"
    storage = {"filesystem": {"rootdirectory": str(root)}, "delete": {"enabled": True}}
    config.write_text(
        yaml.safe_dump(
            {"version": 0.1, "log": {"level": "error"}, "storage": storage, "http": {"addr": f"127.0.0.1:{port}"}}
        )
    )
    with (folder / "peer.log").open("ab") as log:
        process = subprocess.Popen([binary, "serve", str(config)], stdout=log, stderr=log, start_new_session=True)
    running = Running(port, process)
    try:
        end = time.monotonic() + 20
        while time.monotonic() < end:
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            time.sleep(0.02)
        yield running
    finally:
        running.kill()
