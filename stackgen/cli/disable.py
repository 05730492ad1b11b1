"""`stackgen disable`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from stackgen.cli.options import examples, stack_argument
from stackgen.cli.switching import switch
from stackgen.cli.terminal import command_line, say
from stackgen.shell import compose_line

if TYPE_CHECKING:
    from stackgen.folder import StackFolder


@click.command(epilog=examples("stackgen disable observability", "stackgen disable observability mystack"))
@click.argument("profile")
@stack_argument
def command(profile: str, folder: StackFolder) -> None:
    """Stop running a profile: takes it out of COMPOSE_PROFILES in .env. Its volumes stay."""
    changed = switch(folder, profile, lambda names: tuple(name for name in names if name != profile))
    say(f"{profile} is disabled" if changed else f"{profile} was not enabled")
    if services := services_of(folder, profile):
        command_line(compose_line(folder, "--profile", profile, "down", *services), "the rest runs on")


def services_of(folder: StackFolder, profile: str) -> list[str]:
    """The services of the rendered stack that run for this profile alone; none where nothing is rendered yet."""
    import yaml  # noqa: PLC0415 - slow to load

    try:
        services = yaml.safe_load(folder.compose.read_text(encoding="utf-8"))["services"]
        return [name for name, service in services.items() if service.get("profiles") == [profile]]
    except (OSError, yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return []
