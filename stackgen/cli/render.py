"""`stackgen render`."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import click

from registry_app.administration import recorded
from stackgen import certificate_memory, stack
from stackgen.cli.options import examples, stack_argument
from stackgen.cli.terminal import say, tell_worries, warn
from stackgen.credentials import ensure_credentials
from stackgen.diffing import CHANGING, PLACING, Action, Change
from stackgen.errors import StackgenError, refusal
from stackgen.hosting import prepare_storage
from stackgen.losses import find_losses, refused
from stackgen.shell import compose_line, stackgen_line
from stackgen.stack import find_taken, find_waiting
from stackgen.writing import exclusive, write_changes

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from stackgen.certificates import Verdict
    from stackgen.errors import Problem
    from stackgen.folder import StackFolder
    from stackgen.losses import Loss
    from stackgen.settings import StackSettings
    from stackgen.stack import Draft


@click.command(epilog=examples("stackgen render", "stackgen render mystack --overwrite nginx/nginx.conf"))
@stack_argument
@click.option("--overwrite", multiple=True, metavar="FILE", help="Give up your edits of this file; repeatable.")
@click.option("--anew", multiple=True, metavar="FILE", help="Make this lost secret anew, and begin again; repeatable.")
def command(folder: StackFolder, overwrite: tuple[str, ...], anew: tuple[str, ...]) -> None:
    """Write the stack's files anew from .env.

    Secrets stay as they are, and so do files that you edited: their new version is put beside them as FILE.new. A
    secret that is gone is made again where nobody loses anything by it; users and rules only with --anew.
    """
    interrupted = folder.journal.is_file()
    with exclusive(folder):
        draft = stack.draft(folder, overwrite=frozenset(overwrite))
        if unknown := set(overwrite) - {change.path for change in draft.changes}:
            raise StackgenError(
                f"not a rendered file: {', '.join(sorted(unknown))}", hint=f"see: {stackgen_line(folder, 'plan')}"
            )
        losses = find_losses(folder)
        _refuse_obstacles(folder, draft, refused(folder, losses, frozenset(anew)))
        ensure_credentials(folder, draft.settings, losses=losses, anew=frozenset(anew))
        verdict = _ensure_certificates(folder, draft.settings)
        prepare_storage(folder, draft.settings)
        with _recorded_changes(folder, draft.changes):
            write_changes(folder, draft.changes, draft.lock, bridge=draft.bridge)
    if interrupted:
        warn(f"an interrupted command was finished first; run: {compose_line(folder, 'up', '-d', '--wait')}")
    placed = any(change.action in CHANGING for change in draft.changes)
    if placed or not (losses or (verdict and verdict.changes)):
        tell(folder, draft.changes)
    tell_worries(find_waiting(folder, draft.changes, actions=frozenset({Action.BESIDE, Action.WAIT})))
    for loss in losses:
        warn(f"made {loss.file} anew, for it was {loss.state}: {loss.then}")
    if verdict is not None:
        _tell_certificate(folder, verdict, draft.settings)


def _recorded_changes(folder: StackFolder, changes: tuple[Change, ...]) -> AbstractContextManager[None]:
    paths = [change.path for change in changes if change.action in CHANGING]
    return recorded(folder.audit_log if paths else None, "render", subject=", ".join(paths))


def _refuse_obstacles(folder: StackFolder, draft: Draft, lost: tuple[Loss, ...]) -> None:
    """StackgenError with everything for which nothing is written."""
    obstacles: list[Problem] = [*lost, *find_taken(folder, draft)]
    if not certificate_memory.recall(folder, draft.settings):
        from stackgen.certificates import judge  # noqa: PLC0415  (loads what costs a fifth of a render)

        obstacles += judge(folder, draft.settings, dt.datetime.now(dt.UTC)).obstacles
    if obstacles:
        raise refusal(obstacles)


def _ensure_certificates(folder: StackFolder, settings: StackSettings) -> Verdict | None:
    """What was done about the certificate; None where it is the one that was found good before."""
    if certificate_memory.recall(folder, settings):
        return None
    from stackgen.certificates import ensure_certificates  # noqa: PLC0415  (as above)

    return ensure_certificates(folder, settings)


def tell(folder: StackFolder, changes: tuple[Change, ...]) -> None:
    """What was done, by file."""
    done = [change for change in changes if change.action in CHANGING]
    if not done:
        say("nothing to change")
        return
    placed = [change for change in done if change.action in PLACING]
    for change in placed:
        say(f"{change.action.value:8}{change.path}")
    if placed:
        say(f"run: {compose_line(folder, 'up', '-d', '--wait')}")


def _tell_certificate(folder: StackFolder, verdict: Verdict, settings: StackSettings) -> None:
    """What became of certificate and key."""
    if verdict.reason:
        warn(f"made a new certificate and key: {verdict.reason}")
        if settings.proxy == "nginx":  # the registry rereads its own by itself
            say(f"a running nginx takes them up with: {compose_line(folder, 'restart', 'nginx')}")
    for path in verdict.put_back:
        warn(f"wrote {path}, which was missing")
    tell_worries(verdict.worries)
