"""`stackgen plan`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from stackgen import stack
from stackgen.cli.options import examples, stack_argument
from stackgen.cli.terminal import diff_line, heading, say
from stackgen.diffing import CHANGING, Action, Change
from stackgen.errors import CHANGES_PENDING
from stackgen.writing import exclusive

if TYPE_CHECKING:
    from stackgen.folder import StackFolder


@click.command(epilog=examples("stackgen plan", "stackgen plan mystack --json"))
@stack_argument
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a diff.")
@click.pass_context
def command(ctx: click.Context, folder: StackFolder, *, as_json: bool) -> None:
    """Show what render would change.

    Exit code 0: nothing to change. 2: render would change something.
    """
    with exclusive(folder):
        changes = stack.draft(folder).changes
    pending = [change for change in changes if change.action in CHANGING]
    if as_json:
        say(json.dumps({"changes": [_as_json(change) for change in pending]}, indent=2))
    else:
        _show(pending)
    ctx.exit(CHANGES_PENDING if pending else 0)


def _show(pending: list[Change]) -> None:
    for change in pending:
        heading(f"{change.action.value} {change.target}")
        if change.action in {Action.UPDATE, Action.BESIDE}:
            for line in change.lines():
                diff_line(line)
    counts = [f"{sum(c.action is action for c in pending)} to {action.value}" for action in Action]
    say(", ".join(c for c in counts if not c.startswith("0 ")) if pending else "nothing to change")


def _as_json(change: Change) -> dict[str, str]:
    return {
        "path": change.path,
        "action": change.action.value,
        "target": change.target,
        "diff": "".join(change.lines()),
    }
