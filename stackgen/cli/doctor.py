"""`stackgen doctor`."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import click

from stackgen.cli.options import examples, stack_argument
from stackgen.cli.terminal import say, tell_way_to_stackgen
from stackgen.doctor.examination import examine
from stackgen.doctor.findings import Finding, Severity, worst
from stackgen.errors import ExitCode

if TYPE_CHECKING:
    from stackgen.folder import StackFolder

_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}
# As for every command: 1 for what must be mended, 2 for what should be looked at.
_CODES = {Severity.ERROR: ExitCode.REFUSED, Severity.WARNING: ExitCode.USAGE, Severity.NOTE: ExitCode.OK}


@click.command(epilog=examples("stackgen doctor", "stackgen doctor mystack --json"))
@stack_argument
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON.")
@click.pass_context
def command(ctx: click.Context, folder: StackFolder, *, as_json: bool) -> None:
    """Look for what is wrong with the stack and this host, and say what to type.

    Exit code 0: all is well, or notes alone. 1: at least one error. 2: warnings.
    """
    findings = examine(folder, environ=os.environ)
    if as_json:
        say(json.dumps({"findings": [_as_json(finding) for finding in findings]}, indent=2))
    else:
        _show(findings)
    level = worst(findings)
    ctx.exit(_CODES[level] if level is not None else ExitCode.OK)


def _show(findings: tuple[Finding, ...]) -> None:
    for finding in sorted(findings, key=lambda one: -one.kind.severity):
        level = finding.kind.severity
        label = f"{level.name.lower():8} "
        say(f"{finding.place}: {finding.message}  [{finding.kind.name}]", label=label, colour=_COLOURS[level])
        say(f"         → {finding.remedy}")
    counts = {level: sum(finding.kind.severity is level for finding in findings) for level in reversed(Severity)}
    words = [f"{n} {level.name.lower()}{'' if n == 1 else 's'}" for level, n in counts.items() if n]
    say(", ".join(words) or "all is well")
    tell_way_to_stackgen(*(finding.remedy for finding in findings))


def _as_json(finding: Finding) -> dict[str, str]:
    kind = finding.kind
    return {
        "code": kind.name,
        "severity": kind.severity.name.lower(),
        "meaning": kind.meaning,
        "place": finding.place,
        "message": finding.message,
        "remedy": finding.remedy,
    }
