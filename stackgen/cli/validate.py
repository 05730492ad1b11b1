"""`stackgen validate`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from stackgen.cli.options import examples, stack_argument
from stackgen.cli.terminal import say, warn
from stackgen.env_file import describe, read_env, read_settings
from stackgen.errors import ExitCode, StackgenError

if TYPE_CHECKING:
    from stackgen.folder import StackFolder


@click.command(epilog=examples("stackgen validate", "stackgen validate mystack --json"))
@stack_argument
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON.")
@click.pass_context
def command(ctx: click.Context, folder: StackFolder, *, as_json: bool) -> None:
    """Check .env and report every error at once, each with its line and the way out."""
    read = read_settings(read_env(folder))
    if as_json:
        say(json.dumps({"problems": [asdict(one) for one in read.problems], "foreign": list(read.foreign)}, indent=2))
        ctx.exit(ExitCode.REFUSED if read.problems else ExitCode.OK)
    if read.problems:
        raise StackgenError(describe(read.problems), hint=f"edit {folder.env}")
    if read.foreign:
        warn(f"no settings of stackgen, left to Compose: {', '.join(read.foreign)}")
    say(f"{folder.env} is fine")
