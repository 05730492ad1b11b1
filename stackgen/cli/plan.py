"""`stackgen plan`."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

import click

from stackgen import stack
from stackgen.certificates import Verdict, judge
from stackgen.cli.options import examples, stack_argument
from stackgen.cli.terminal import diff_line, heading, say, tell_worries
from stackgen.diffing import CHANGING, Action, Change
from stackgen.errors import CHANGES_PENDING, refusal
from stackgen.losses import find_losses
from stackgen.stack import find_taken, find_waiting
from stackgen.writing import exclusive

if TYPE_CHECKING:
    from stackgen.errors import Problem
    from stackgen.folder import StackFolder
    from stackgen.losses import Loss


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
    changes, losses = draft.changes, find_losses(folder)
    verdict = judge(folder, draft.settings, dt.datetime.now(dt.UTC))
    pending = [change for change in changes if change.action in CHANGING]
    mended, waiting = [loss for loss in losses if not loss.stops], find_waiting(folder, changes)
    refused: list[Problem] = [*(loss for loss in losses if loss.stops), *verdict.obstacles, *find_taken(folder, draft)]
    if as_json:
        found = {
            "changes": [_as_json(change) for change in pending],
            "certificate": verdict.reason,
            "missing": [str(path) for path in (*(loss.file for loss in mended), *verdict.put_back)],
            "waiting": [str(one.file) for one in waiting],
            "refusals": [one.text for one in refused],
        }
        say(json.dumps(found, indent=2))
    else:
        if pending or not (mended or verdict.changes or refused):
            _show(pending)
        _tell_missing(mended, verdict)
        tell_worries((*waiting, *verdict.worries))
    if refused:
        raise refusal(refused)
    ctx.exit(CHANGES_PENDING if pending or mended or verdict.changes else 0)


def _tell_missing(mended: list[Loss], verdict: Verdict) -> None:
    """What render would make that is no rendered file."""
    for loss in mended:
        say(f"render would make {loss.file} anew, for it is {loss.state}: {loss.meaning}")
        say(f"  {loss.remedy}")
    if verdict.reason:
        say(f"render would make a new certificate and key: {verdict.reason}")
    for path in verdict.put_back:
        say(f"render would write {path}, which is missing")


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
