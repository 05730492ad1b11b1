"""`stackgen status`."""

from __future__ import annotations

import datetime as dt
import json
import os
from typing import TYPE_CHECKING

import click

from stackgen.cli.options import examples, stack_argument
from stackgen.cli.terminal import heading, say, tell_way_to_stackgen, warn
from stackgen.overview import Overview, look_at

if TYPE_CHECKING:
    from stackgen.folder import StackFolder

_STATE_COLOURS = {"healthy": "green", "running": "green", "unhealthy": "red", "restarting": "red", "exited": "red"}


@click.command(epilog=examples("stackgen status", "stackgen status mystack --json"))
@stack_argument
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def command(folder: StackFolder, *, as_json: bool) -> None:
    """Show on one screen what runs, since when, how full it is and what is due."""
    overview = look_at(folder, environ=os.environ, now=dt.datetime.now(dt.UTC))
    if as_json:
        say(json.dumps(overview.as_json(), indent=2))
    else:
        _show(overview)


def _show(overview: Overview) -> None:
    heading(f"{overview.project}  {overview.address}")
    for service in overview.services:
        state = service.health or service.state
        say(service.status, label=f"  {service.name:16}{state:12}", colour=_STATE_COLOURS.get(state))
    for line in overview.trouble:
        warn(f"{line.what}: {line.text}: {line.remedy}")
    if overview.embedded is not None:
        say(f"  embedded        serves without Docker, process {overview.embedded}")
    if overview.disk is not None:
        disk = overview.disk
        used = 1 - disk.free / disk.total if disk.total else 0.0
        say(f"  disk            {used:.0%} full, {disk.free / 2**30:.1f} GiB free  ({disk.place})")
    for line in overview.runs:
        say(f"  {line.what:16}{line.text}")
    heading("due" if overview.due else "nothing is due")
    for line in overview.due:
        say(f"  {line.what}: {line.text}")
        say(f"      → {line.remedy}")
    tell_way_to_stackgen(*(line.remedy for line in (*overview.trouble, *overview.due)))
