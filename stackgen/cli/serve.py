"""`stackgen serve`."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stackgen import __version__, hosts
from stackgen.certificate_pair import FaultKind
from stackgen.certificates import find_stack_faults
from stackgen.cli.logins import tell_login
from stackgen.cli.options import examples, stack_argument
from stackgen.cli.terminal import command_line, heading, say, tell_worries, warn
from stackgen.embedded import presence
from stackgen.env_file import load_settings
from stackgen.errors import StackgenError, refusal
from stackgen.hosting import port_is_free, propose_port
from stackgen.losses import find_losses
from stackgen.registry_config import embedded_place, render_config
from stackgen.shell import compose_line, shell_line, stackgen_line
from stackgen.writing import exclusive, write_text

if TYPE_CHECKING:
    from stackgen.errors import Problem
    from stackgen.folder import StackFolder
    from stackgen.registry_config import Place
    from stackgen.settings import StackSettings

_USUAL_PORT = 8443


@click.command(epilog=examples("stackgen serve mystack", "stackgen serve mystack --port 5443"))
@stack_argument
@click.option("--port", type=click.IntRange(1, 65535), help="Port on 127.0.0.1.  [default: HTTPS_PORT]")
def command(folder: StackFolder, port: int | None) -> None:
    """Run the registry without Docker, on loopback, until Ctrl-C.

    The same registry, users and certificate as in the stack, under gunicorn alone; images lie in STORAGE_DIR, or in
    DIR/data. For a first look, for laptops and for tests: beyond this machine, use the stack.
    """
    from registry_app.configuration import load_settings as load_registry  # noqa: PLC0415  (slow to import)
    from registry_app.preflight import find_obstacles  # noqa: PLC0415
    from registry_app.server import PortTakenError, serve  # noqa: PLC0415

    settings = load_settings(folder)
    port = port or settings.https_port
    place = embedded_place(folder, settings, port=port)
    _check(folder, settings, place, port)
    with presence(folder):
        with exclusive(folder):
            Path(place.data).mkdir(mode=0o750, parents=True, exist_ok=True)
            readable = settings.model_copy(update={"log_format": "text"})
            write_text(folder.embedded_config, render_config(readable, place, version=__version__))
        registry = load_registry(folder.embedded_config, {})
        if obstacles := list(find_obstacles(registry)):
            raise StackgenError("\n".join(obstacles))
        _tell(folder, settings, port)
        try:
            serve(registry)
        except PortTakenError as error:
            raise StackgenError(str(error), hint=f"another port: {_other_port(folder, port)}") from None


def _check(folder: StackFolder, settings: StackSettings, place: Place, port: int) -> None:
    """StackgenError for what would keep the registry from serving, or the stack from serving after it."""
    if not port_is_free(port, "127.0.0.1"):
        raise StackgenError(
            f"port {port} is in use on this machine", hint=f"stop what uses it, or: {_other_port(folder, port)}"
        )
    if settings.storage_dir and os.geteuid() == 0 and (owner := _owner(Path(place.data))) not in {None, 0}:
        raise StackgenError(
            f"STORAGE_DIR {place.data} belongs to uid {owner}, as whom the stack's own registry runs: what root stores "
            "there, that one could not change",
            hint=f"{compose_line(folder, 'up', '-d', '--wait')}; or serve another stack, made without STORAGE_DIR",
        )
    faults, losses = find_stack_faults(folder, settings, dt.datetime.now(dt.UTC)), find_losses(folder)
    refused: list[Problem] = [
        *(loss for loss in losses if loss.stops),
        *(fault for fault in faults if fault.kind.stops_a_server),
    ]
    if refused:
        raise refusal(refused)
    tell_worries((*losses, *(fault for fault in faults if fault.kind is not FaultKind.OTHER_HOST)))


def _owner(path: Path) -> int | None:
    return path.stat().st_uid if path.exists() else None


def _other_port(folder: StackFolder, port: int) -> str:
    free = propose_port(_USUAL_PORT, lambda one: one != port and port_is_free(one, "127.0.0.1"))
    return stackgen_line(folder, "serve", "--port", str(free))


def _tell(folder: StackFolder, settings: StackSettings, port: int) -> None:
    if os.geteuid() == 0:
        warn("this runs as root; a user of its own is enough")
    say(f"Registry at https://localhost:{port} until Ctrl-C")
    heading("In another terminal:")
    tell_login(folder, settings.registry_admin_user, f"localhost:{port}")
    trust = () if settings.tls == "own" else ("--cacert", folder.resolve(settings.certs_dir) / "ca.crt")
    if hosts.is_loopback(settings.host):
        command_line(shell_line("curl", *trust, f"https://{_local(settings)}:{port}/healthz"))
        return
    there = () if hosts.is_address(settings.host) else ("--resolve", f"{settings.host}:{port}:127.0.0.1")
    if there:
        line = shell_line("curl", *trust, *there, f"https://{settings.host}:{port}/healthz")
        command_line(line, f"the certificate is for {settings.host}")


def _local(settings: StackSettings) -> str:
    return settings.host if settings.host == "127.0.0.1" else "localhost"
