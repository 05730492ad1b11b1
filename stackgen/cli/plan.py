"""`stackgen plan`."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

import click

from stackgen import stack
from stackgen.certificates import Verdict, judge, refusal
from stackgen.cli.options import examples, stack_argument
from stackgen.cli.terminal import diff_line, heading, say, warn
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

    Exit code 0: nothing to change. 2: render would change something. 1: render would refuse.
    """
    with exclusive(folder):
        draft = stack.draft(folder)
    changes, verdict = draft.changes, judge(folder, draft.settings, dt.datetime.now(dt.UTC))
    pending = [change for change in changes if change.action in CHANGING]
    if as_json:
        texts = [fault.text for fault in verdict.obstacles]
        found = {"changes": [_as_json(change) for change in pending], "certificate": verdict.reason, "refusals": texts}
        say(json.dumps(found, indent=2))
    else:
        if pending or not verdict.reason:
            _show(pending)
        _tell_certificate(verdict)
    if verdict.obstacles:
        raise refusal(verdict.obstacles)
    ctx.exit(CHANGES_PENDING if pending or verdict.reason else 0)


def _tell_certificate(verdict: Verdict) -> None:
    if verdict.reason:
        say(f"render would make a new certificate and key: {verdict.reason}")
    for fault in verdict.worries:
        warn(f"{fault.text}: {fault.remedy}")


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
