"""The configuration argument that upstream's commands share."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

import click

from registry_app.configuration import ConfigurationError, find_configuration, load_settings
from registry_app.plain_text import plain_message

if TYPE_CHECKING:
    from registry_app.settings import RegistrySettings

configuration_argument = click.argument("config", required=False, type=click.Path(dir_okay=False))


class _Amount(click.ParamType[float]):
    """A number from zero on. `nan` and `inf` are numbers to Python, and mean nothing here."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number; fails as a wrong use of the command."""
        try:
            amount = float(value)
        except ValueError:
            amount = math.nan
        if not 0 <= amount < math.inf:
            self.fail(f"{value} is no number from 0 on", param, ctx)
        return amount


AMOUNT = _Amount()


def settings_or_exit(config: str | None) -> RegistrySettings:
    """Settings of the named configuration; ends the command with every problem where they can't be had."""
    try:
        return load_settings(find_configuration(config, os.environ), os.environ)
    except ConfigurationError as error:
        for problem in error.problems:
            click.echo(f"configuration error: {plain_message(problem)}", err=True)
        raise SystemExit(1) from None
