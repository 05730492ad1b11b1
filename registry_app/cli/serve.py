"""`registry serve`."""

from __future__ import annotations

import click

from registry_app.cli.configured import configuration_argument, settings_or_exit
from registry_app.plain_text import plain_message


@click.command(short_help="Serve the registry's API.")
@configuration_argument
def command(config: str | None) -> None:
    """Serve the registry that CONFIG describes.

    CONFIG is a config.yml of registry:2 or registry:3; without it REGISTRY_CONFIGURATION_PATH names one.
    Every key can be overridden: REGISTRY_HTTP_ADDR=:5001 sets http.addr.

    \b
    registry serve /etc/docker/registry/config.yml
    """
    from registry_app.preflight import find_obstacles
    from registry_app.server import PortTakenError, serve

    settings = settings_or_exit(config)
    obstacles = list(find_obstacles(settings))
    for obstacle in obstacles:
        click.echo(f"error: {plain_message(obstacle)}", err=True)
    if obstacles:
        raise SystemExit(1)
    try:
        serve(settings)
    except PortTakenError as error:
        click.echo(f"error: {error}", err=True)
        raise SystemExit(1) from None
