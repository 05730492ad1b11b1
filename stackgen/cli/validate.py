"""`stackgen validate`."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from stackgen.certificates import Verdict, find_ca_problem, judge
from stackgen.cli.options import examples, stack_argument
from stackgen.cli.terminal import say, tell_worries, warn
from stackgen.dotenv import Problem as SettingProblem
from stackgen.dotenv import parse_dotenv
from stackgen.env_file import describe, read_env, read_settings
from stackgen.errors import ExitCode, StackgenError, refusal
from stackgen.losses import find_losses
from stackgen.shell import shell_line, stackgen_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stackgen.certificate_pair import Fault
    from stackgen.errors import Problem
    from stackgen.folder import StackFolder
    from stackgen.losses import Loss
    from stackgen.settings import StackSettings


@click.command(epilog=examples("stackgen validate", "stackgen validate mystack --json"))
@stack_argument
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON.")
@click.pass_context
def command(ctx: click.Context, folder: StackFolder, *, as_json: bool) -> None:
    """Check .env and report every error at once, each with its line and the way out.

    Of a stack that was made, certificate, key and secrets are looked at too.
    """
    text = read_env(folder)
    read = read_settings(text, root=folder.root)
    verdict, losses = _judge(folder, read.settings), find_losses(folder)
    wrong = (*read.problems, *_unusable_authority(folder, read.settings, text))
    if as_json:
        problems, faults = [asdict(one) for one in wrong], [_as_json(one) for one in verdict.obstacles]
        found = {
            "problems": problems,
            "foreign": list(read.foreign),
            "certificate": faults,
            "lost": [_loss_as_json(loss) for loss in losses],
        }
        say(json.dumps(found, indent=2))
        stops = problems or faults or any(loss.stops for loss in losses)
        ctx.exit(ExitCode.REFUSED if stops else ExitCode.OK)
    if wrong:
        raise StackgenError(describe(wrong), hint=f"edit {shell_line(folder.env)}")
    if read.foreign:
        warn(f"no settings of stackgen, left to Compose: {', '.join(read.foreign)}")
    refused: list[Problem] = [*(loss for loss in losses if loss.stops), *verdict.obstacles]
    if refused:
        raise refusal(refused)
    if verdict.reason:
        warn(f"{verdict.reason}: {stackgen_line(folder, 'render')}")
    for path in verdict.put_back:
        warn(f"{path} is missing: {stackgen_line(folder, 'render')}")
    tell_worries((*losses, *verdict.worries))
    say(f"{folder.env} is fine")


def _unusable_authority(folder: StackFolder, settings: StackSettings | None, text: str) -> Iterator[SettingProblem]:
    """A BUILD_EXTRA_CA with which no image can be built."""
    if settings is None or settings.build_extra_ca is None:
        return
    if reason := find_ca_problem(folder.resolve(settings.build_extra_ca)):
        name = "BUILD_EXTRA_CA"
        remedy = "name a PEM file of authorities, or remove the line"
        yield SettingProblem(parse_dotenv(text).line_of(name), name, f"{settings.build_extra_ca} {reason}", remedy)


def _judge(folder: StackFolder, settings: StackSettings | None) -> Verdict:
    """The certificate of a stack that was made; settings may be checked before there is one."""
    if settings is None or not folder.is_stack():
        return Verdict()
    return judge(folder, settings, dt.datetime.now(dt.UTC))


def _as_json(fault: Fault) -> dict[str, str]:
    return {"file": str(fault.file), "reason": fault.reason, "remedy": fault.remedy}


def _loss_as_json(loss: Loss) -> dict[str, str]:
    return {"file": str(loss.file), "reason": f"is {loss.state}: {loss.meaning}", "remedy": loss.remedy}
