"""Brings a stack up, with Compose or without Docker, and waits until it answers."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stackgen import docker
from stackgen.distribution.transport import LineCut, Request, Transport
from stackgen.errors import StackgenError
from stackgen.shell import shell_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from stackgen.folder import StackFolder
    from stackgen.settings import StackSettings

_PATIENCE = 30.0  # seconds for an embedded registry to answer
_HEALTHY = 200


@dataclass(frozen=True, slots=True)
class Running:
    """A stack that answers; `stop` is what to type to end it."""

    stop: str


def start(folder: StackFolder, settings: StackSettings, *, with_docker: bool) -> Running:
    """Start a stack, or find it running; raises StackgenError where it does not answer in the end."""
    return _start_with_compose(folder) if with_docker else _start_embedded(folder, settings)


def local_ca(folder: StackFolder, settings: StackSettings) -> Path | None:
    """The authority that signed the stack's certificate; None where the system's trust is to judge."""
    return folder.resolve(settings.certs_dir) / "ca.crt" if settings.tls == "local" else None


def _start_with_compose(folder: StackFolder) -> Running:
    """`docker compose up`, which builds the registry's image the first time; its progress goes to standard error."""
    if not docker.show_compose(folder, "up", "--detach", "--wait"):
        raise StackgenError(
            "the stack did not come up",
            hint=f"see: {shell_line('cd', folder.root)} && docker compose logs; or go without Docker: --embedded",
        )
    return Running(stop=f"{shell_line('cd', folder.root)} && docker compose down")


def _start_embedded(folder: StackFolder, settings: StackSettings) -> Running:
    """`stackgen serve` in the background, its output in a log of the stack's."""
    log = folder.serve_log
    running = Running(stop=f'kill "$(cat {shell_line(folder.serve_pid)})"')
    transport = Transport(ca=local_ca(folder, settings), seconds=5)
    if _answers(transport, settings):
        return running
    with log.open("ab") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "stackgen", "serve", str(folder.root)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait(lambda: _answers(transport, settings), server, log)
    except BaseException:
        server.terminate()
        server.wait(_PATIENCE)
        raise
    return running


def _answers(transport: Transport, settings: StackSettings) -> bool:
    """Whether the stack's own address says that it is well."""
    try:
        return transport.send(Request("GET", f"{settings.external_url}/healthz")).status == _HEALTHY
    except (StackgenError, LineCut):
        return False


def _wait(is_up: Callable[[], bool], server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not is_up():
        if server.poll() is not None or time.monotonic() > deadline:
            end = log.read_text(errors="replace").strip().splitlines()[-3:]
            raise StackgenError("the registry did not start: " + " / ".join(end), hint=f"see {log}")
        time.sleep(0.1)
