"""`stackgen serve`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from stackgen import __version__
from stackgen.cli.options import examples, stack_argument
from stackgen.cli.terminal import command_line, heading, say, warn
from stackgen.env_file import load_settings
from stackgen.errors import StackgenError
from stackgen.hosting import port_is_free
from stackgen.registry_config import embedded_place, render_config
from stackgen.writing import exclusive, write_text

if TYPE_CHECKING:
    from stackgen.folder import StackFolder
    from stackgen.settings import StackSettings


@click.command(epilog=examples("stackgen serve mystack", "stackgen serve mystack --port 5443"))
@stack_argument
@click.option("--port", type=click.IntRange(1, 65535), help="Port on 127.0.0.1.  [default: HTTPS_PORT]")
def command(folder: StackFolder, port: int | None) -> None:
    """Run the registry without Docker, on loopback, until Ctrl-C.

    The same registry, users and certificate as in the stack, under gunicorn alone; images lie in DIR/data.
    For a first look, for laptops and for tests: beyond this machine, use the stack.
    """
    from registry_app.configuration import load_settings as load_registry  # noqa: PLC0415  (slow to import)
    from registry_app.server import serve  # noqa: PLC0415

    settings = load_settings(folder)
    port = port or settings.https_port
    if not port_is_free(port, "127.0.0.1"):
        raise StackgenError(f"port {port} is in use on this machine", hint="stop what uses it, or name another: --port")
    readable = settings.model_copy(update={"log_format": "text"})
    place = embedded_place(folder, settings, port=port)
    with exclusive(folder):
        os.makedirs(place.data, mode=0o750, exist_ok=True)  # noqa: PTH103  (the place is text, as in config.yml)
        write_text(folder.embedded_config, render_config(readable, place, version=__version__))
    _tell(folder, settings, port)
    serve(load_registry(folder.embedded_config, {}))


def _tell(folder: StackFolder, settings: StackSettings, port: int) -> None:
    if os.geteuid() == 0:
        warn("this runs as root; a user of its own is enough")
    say(f"Registry at https://localhost:{port} until Ctrl-C; the user is {settings.registry_admin_user}")
    heading("In another terminal:")
    command_line(f"cat {folder.admin_password}", "the password")
    command_line(f"docker login -u {settings.registry_admin_user} localhost:{port}")
    command_line(f"curl --cacert {folder.resolve(settings.certs_dir)}/ca.crt https://localhost:{port}/healthz")
