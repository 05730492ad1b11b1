"""The configuration argument that upstream's commands share."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from registry_app.configuration import ConfigurationError, find_configuration, load_settings
from registry_app.plain_text import plain_message

if TYPE_CHECKING:
    from registry_app.settings import RegistrySettings

configuration_argument = click.argument("config", required=False, type=click.Path(dir_okay=False))


def settings_or_exit(config: str | None) -> RegistrySettings:
    """Settings of the named configuration; ends the command with every problem where they can't be had."""
    try:
        return load_settings(find_configuration(config, os.environ), os.environ)
    except ConfigurationError as error:
        for problem in error.problems:
            click.echo(f"configuration error: {plain_message(problem)}", err=True)
        raise SystemExit(1) from None
