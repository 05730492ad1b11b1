"""`registry health`."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING

import click

from registry_app.cli.configured import configuration_argument, settings_or_exit
from registry_app.cli.output import tell

if TYPE_CHECKING:
    from registry_app.settings import Address

# Page of the internal listener, what 200 means there, what 503 means.
QUESTIONS = (
    ("/debug/health", "images can be read", "images can NOT be read"),
    ("/debug/ready", "pushes are taken", "pushes are NOT taken"),
)
PATIENCE_SECONDS = 10


@click.command(short_help="Say whether a running registry reads and takes pushes, and why not.")
@configuration_argument
def command(config: str | None) -> None:
    """Ask the running registry whether images can be read and pushes are taken, and print the reasons if not.

    It asks the internal listener (http.debug.addr). Exit code 1 if either is not so, or nobody answers.

    \b
    registry health /etc/docker/registry/config.yml
    """
    debug = settings_or_exit(config).http.debug
    if debug is None:
        click.echo("health: no http.debug.addr in the configuration: there is no internal listener to ask", err=True)
        raise SystemExit(1)
    well = True
    for path, good, bad in QUESTIONS:
        status, reasons = _ask(debug.address, path)
        well = well and status == http.client.OK
        tell(good if status == http.client.OK else bad)
        for name, reason in reasons.items():
            tell(f"  {name}: {reason}")
    raise SystemExit(0 if well else 1)


def _ask(address: Address, path: str) -> tuple[int, dict[str, str]]:
    """Status and reasons of a page; ends the command where nobody answers."""
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host)  # noqa: S104
    connection = http.client.HTTPConnection(host, address.port, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        reasons: dict[str, str] = json.loads(answer.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        click.echo(f"health: {host}:{address.port}{path}: no answer of a registry: {why}", err=True)
        raise SystemExit(1) from None
    finally:
        connection.close()
    return answer.status, reasons
