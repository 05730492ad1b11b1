"""`stackgen disable`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from stackgen.cli.options import examples, stack_argument
from stackgen.cli.switching import switch
from stackgen.cli.terminal import command_line, say

if TYPE_CHECKING:
    from stackgen.folder import StackFolder


@click.command(epilog=examples("stackgen disable observability", "stackgen disable observability mystack"))
@click.argument("profile")
@stack_argument
def command(profile: str, folder: StackFolder) -> None:
    """Stop running a profile: takes it out of COMPOSE_PROFILES in .env. Its volumes stay."""
    changed = switch(folder, profile, lambda names: tuple(name for name in names if name != profile))
    say(f"{profile} is disabled" if changed else f"{profile} was not enabled")
    command_line(f"docker compose --profile {profile} down --remove-orphans && docker compose up -d --wait")
