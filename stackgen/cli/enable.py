"""`stackgen enable`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from stackgen.cli.options import examples, stack_argument
from stackgen.cli.switching import switch
from stackgen.cli.terminal import command_line, say
from stackgen.shell import compose_line

if TYPE_CHECKING:
    from stackgen.folder import StackFolder


@click.command(epilog=examples("stackgen enable observability", "stackgen enable observability mystack"))
@click.argument("profile")
@stack_argument
def command(profile: str, folder: StackFolder) -> None:
    """Run a profile beside the registry: adds it to COMPOSE_PROFILES in .env."""
    changed = switch(folder, profile, lambda names: names if profile in names else (*names, profile))
    say(f"{profile} is enabled" if changed else f"{profile} was enabled already")
    command_line(compose_line(folder, "up", "-d", "--wait"))
