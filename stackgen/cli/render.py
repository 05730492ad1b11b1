"""`stackgen render`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from stackgen import certificate_memory, stack
from stackgen.cli.options import examples, stack_argument
from stackgen.cli.terminal import say, warn
from stackgen.credentials import ensure_credentials
from stackgen.diffing import CHANGING, Action, Change
from stackgen.errors import StackgenError
from stackgen.hosting import prepare_storage
from stackgen.shell import compose_line, shell_line, stackgen_line
from stackgen.writing import exclusive, write_changes

if TYPE_CHECKING:
    from stackgen.certificates import Verdict
    from stackgen.folder import StackFolder
    from stackgen.settings import StackSettings


@click.command(epilog=examples("stackgen render", "stackgen render mystack --overwrite nginx/nginx.conf"))
@stack_argument
@click.option("--overwrite", multiple=True, metavar="FILE", help="Give up your edits of this file; repeatable.")
def command(folder: StackFolder, overwrite: tuple[str, ...]) -> None:
    """Write the stack's files anew from .env.

    Secrets stay as they are, and so do files that you edited: their new version is put beside them as FILE.new.
    """
    interrupted = folder.journal.is_file()
    with exclusive(folder):
        draft = stack.draft(folder, overwrite=frozenset(overwrite))
        if unknown := set(overwrite) - {change.path for change in draft.changes}:
            raise StackgenError(
                f"not a rendered file: {', '.join(sorted(unknown))}", hint=f"see: {stackgen_line(folder, 'plan')}"
            )
        ensure_credentials(folder, draft.settings)
        verdict = _ensure_certificates(folder, draft.settings)
        prepare_storage(folder, draft.settings)
        write_changes(folder, draft.changes, draft.lock, bridge=draft.bridge)
    if interrupted:
        warn(f"an interrupted command was finished first; run: {compose_line(folder, 'up', '-d', '--wait')}")
    if verdict is None or not verdict.reason or any(change.action in CHANGING for change in draft.changes):
        tell(folder, draft.changes)
    if verdict is not None:
        tell_certificate(folder, verdict)


def _ensure_certificates(folder: StackFolder, settings: StackSettings) -> Verdict | None:
    """What was done about the certificate; None where it is the one that was found good before."""
    if certificate_memory.recall(folder, settings):
        return None
    from stackgen.certificates import ensure_certificates  # noqa: PLC0415  (loads what costs a fifth of a render)

    return ensure_certificates(folder, settings)


def tell(folder: StackFolder, changes: tuple[Change, ...]) -> None:
    """What was done, by file."""
    done = [change for change in changes if change.action in CHANGING]
    if not done:
        say("nothing to change")
        return
    for change in done:
        if change.action is not Action.BESIDE:
            say(f"{change.action.value:8}{change.path}")
    for change in done:
        if change.action is Action.BESIDE:
            warn(f"{change.path} is yours and stays; its new version is {change.target}:")
            say("  " + shell_line("diff", "-u", folder.root / change.path, folder.root / change.target))
    say(f"run: {compose_line(folder, 'up', '-d', '--wait')}")


def tell_certificate(folder: StackFolder, verdict: Verdict) -> None:
    """What became of certificate and key."""
    if verdict.reason:
        warn(f"made a new certificate and key: {verdict.reason}")
        say(f"a running nginx takes them up with: {compose_line(folder, 'restart', 'nginx')}")
    for fault in verdict.worries:
        warn(f"{fault.text}: {fault.remedy}")
