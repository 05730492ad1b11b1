"""`stackgen profiles`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from stackgen.cli.options import StackFolderType, examples
from stackgen.cli.terminal import say
from stackgen.env_file import load_settings
from stackgen.profiles import BASE, load_profiles

if TYPE_CHECKING:
    from stackgen.folder import StackFolder


@click.command(epilog=examples("stackgen profiles list", "stackgen profiles list mystack --json"))
@click.argument("arguments", nargs=-1, metavar="[list] [DIR]")
@click.option("--json", "as_json", is_flag=True, help="The list as JSON.")
def command(arguments: tuple[str, ...], *, as_json: bool) -> None:
    """List the profiles, and which of them run."""
    # `list` is the only thing to do with them here, so it may be left out.
    place = arguments[1:] if arguments[:1] == ("list",) else arguments
    if len(place) > 1:
        raise click.UsageError("too many arguments")
    folder: StackFolder = StackFolderType().convert(place[0] if place else ".", None, None)
    running = load_settings(folder).compose_profiles
    profiles = [profile for profile in load_profiles() if profile.name != BASE]
    if as_json:
        rows = [{"name": p.name, "enabled": p.name in running, "summary": p.summary} for p in profiles]
        say(json.dumps(rows, indent=2))
        return
    for profile in profiles:
        say(f"{profile.name:16}{'on ' if profile.name in running else 'off'}  {profile.summary}")
