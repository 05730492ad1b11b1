"""`registry read-only`: refuses writes while the service runs, and lets them in again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from registry_app.administration import recorded
from registry_app.cli.configured import configuration_argument, settings_or_exit
from registry_app.cli.opened import acting_as_owner
from registry_app.cli.output import tell
from registry_app.storage.layout import Layout

if TYPE_CHECKING:
    from pathlib import Path


@click.command(short_help="Refuse writes, or let them in again, without a restart.")
@click.argument("state", type=click.Choice(["on", "off", "status"]))
@configuration_argument
def command(state: str, config: str | None) -> None:
    """Turn the read-only mode on or off; pulls go on either way.

    Every worker follows within a second. The mode outlasts restarts until it is turned off.

    \b
    registry read-only on /etc/docker/registry/config.yml
    """
    settings = settings_or_exit(config)
    marker = Layout(settings.storage.root).read_only
    try:
        if state != "status":
            with (
                acting_as_owner(settings.storage.root),
                recorded(settings.audit_log, "read-only", subject=state),
            ):
                _switch(marker, state)
    except OSError as error:
        click.echo(f"read-only: {marker}: {error.strerror}", err=True)
        raise SystemExit(1) from None
    configured = " (by storage.maintenance.readonly too)" if settings.storage.read_only else ""
    tell(f"read-only mode is {'on' if marker.exists() or configured else 'off'}{configured}")


def _switch(marker: Path, state: str) -> None:
    if state == "on":
        marker.parent.mkdir(exist_ok=True)
        marker.touch()
    else:
        marker.unlink(missing_ok=True)
