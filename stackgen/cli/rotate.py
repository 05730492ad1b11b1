"""`stackgen rotate`."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stackgen.cli.interrupted import finish_interrupted
from stackgen.cli.options import DURATION, StackFolderType, examples
from stackgen.cli.passwords import GivenPassword, get_password, password_options
from stackgen.cli.terminal import say, warn
from stackgen.env_file import load_settings
from stackgen.errors import StackgenError
from stackgen.profiles import kept_secrets
from stackgen.rotation.journal import Rotation, carry_out
from stackgen.rotation.planning import ALL, Request, kinds, kinds_of, plan_rotation, plan_way_back
from stackgen.rotation.records import load_records
from stackgen.rotation.secrets import load_users
from stackgen.rotation.status import load_status
from stackgen.shell import stackgen_line
from stackgen.writing import exclusive

if TYPE_CHECKING:
    from stackgen.folder import StackFolder
    from stackgen.settings import StackSettings


@click.command(
    epilog=examples(
        "stackgen rotate --status",
        "stackgen rotate tls",
        "stackgen rotate password --user ci --keep-old 1h",
        "stackgen rotate ca --keep-old 30d --dry-run",
        "stackgen rotate tls --undo",
    )
)
@click.argument("arguments", nargs=-1, metavar="[password|http-secret|tls|ca|grafana|all] [DIR]")
@click.option("--status", is_flag=True, help="Show the age of every secret and what is due.")
@click.option("--user", metavar="NAME", help="Whose password.  [default: the first user]")
@click.option("--keep-old", type=DURATION, metavar="TIME", help="How long the old one stays valid, such as 1h or 30d.")
@click.option("--cert", type=click.Path(path_type=Path), metavar="FILE", help="Your own new certificate (TLS=own).")
@click.option("--key", type=click.Path(path_type=Path), metavar="FILE", help="Its key.")
@click.option("--undo", is_flag=True, help="Go back to what was in force before the last rotation.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.option("--json", "as_json", is_flag=True, help="With --status: as JSON.")
@password_options
def command(
    arguments: tuple[str, ...],
    *,
    status: bool,
    user: str | None,
    keep_old: int | None,
    cert: Path | None,
    key: Path | None,
    undo: bool,
    dry_run: bool,
    as_json: bool,
    password_file: Path | None,
    password_stdin: bool,
    generate: bool,
) -> None:
    """Change a secret of the stack in DIR while it runs; nothing is restarted.

    \b
    password     of one user; a strong one is made unless you give one
    http-secret  that signs the addresses of uploads
    tls          key and certificate; nginx tests them and reloads
    ca           the local authority, and with it key and certificate
    grafana      the password of Grafana's first user (profile observability)
    all          all of these, with the first user's password

    An interrupted rotation is finished by the next one.
    """  # noqa: D301 - click wants the character itself, before lines that stay as they are
    what, folder = _parse(arguments, wants_kind=not status)
    settings = load_settings(folder)
    given = password_file is not None or password_stdin
    of_password = bool(user or given or generate)
    something_new = given or generate or any(one is not None for one in (keep_old, cert, key))
    _refuse_unheard(status=status, as_json=as_json, undo=undo, acts=undo or dry_run or bool(user), new=something_new)
    if status:
        _show_status(folder, settings, as_json=as_json)
        return
    _refuse_mismatch(what, cert=cert, key=key, keep_old=keep_old, of_user=of_password)
    password = get_password(file=password_file, stdin=password_stdin, generate=generate or not given)
    own = (cert, key) if cert is not None and key is not None else None
    request = Request(user or settings.registry_admin_user, password.text, keep_old, own)
    plan = partial(plan_way_back if undo else plan_rotation, folder, settings, request=request)
    chosen = kinds_of(what, settings, undo=undo)
    if user is None and "password" in chosen and settings.registry_admin_user not in load_users(folder).hashes:
        chosen = _without_first_user(folder, settings, what, chosen, given=given or generate)
    if "ca" in chosen and not undo:
        _warn_of_a_third(folder)
    if dry_run:
        for kind in chosen:
            _tell_plan(folder, plan(kind=kind))
        return
    with exclusive(folder):
        finish_interrupted(folder, settings)
        for kind in chosen:
            rotation = plan(kind=kind)
            carry_out(folder, settings, rotation)
            say(f"rotated: {rotation.title}")
            # Now, for the next one may fail.
            if kind == "password" and not undo:
                _tell_password(folder, settings, request.user, password)
            elif kind == "ca":
                warn(f"give clients the new authority: {folder.resolve(settings.certs_dir)}/ca.crt")
            elif kind in (kept := kept_secrets()):
                say(f"the new password is in {folder.root / kept[kind].path}")


def _warn_of_a_third(folder: StackFolder) -> None:
    """A certificate carries the word of one authority for the next, not of two."""
    before = load_records(folder).get("ca")
    if before is not None and before.old_until is not None and before.old_until > time.time():
        until = datetime.fromtimestamp(before.old_until, UTC)
        warn(f"the authority before this one was to count until {until:%Y-%m-%d %H:%M} UTC: with a third that ends")


def _without_first_user(
    folder: StackFolder, settings: StackSettings, what: str, chosen: tuple[str, ...], *, given: bool
) -> tuple[str, ...]:
    """What is left to rotate when the first user has been removed. StackgenError where that is nothing."""
    gone = f"there is no first user {settings.registry_admin_user!r} any more"
    another = stackgen_line(folder, "rotate", what, "--user", "NAME")
    if what != ALL or given:
        raise StackgenError(gone, hint=f"name the one whose password is to change: {another}")
    warn(f"{gone}, so no password changes; to change another user's as well: {another}")
    return tuple(kind for kind in chosen if kind != "password")


def _refuse_unheard(*, status: bool, as_json: bool, undo: bool, acts: bool, new: bool) -> None:
    """Options that what is asked for would leave unheard."""
    if status and (acts or new):
        raise click.UsageError("--status changes nothing: it goes with --json alone")
    if as_json and not status:
        raise click.UsageError("--json goes with --status")
    if undo and new:
        raise click.UsageError("--undo brings back what was there before: nothing new is given, or kept for a time")


def _refuse_mismatch(what: str, *, cert: Path | None, key: Path | None, keep_old: int | None, of_user: bool) -> None:
    """Options that the chosen secret would leave unheard."""
    if (cert is None) != (key is None):
        raise click.UsageError("--cert and --key go together")
    if cert is not None and what != "tls":
        raise click.UsageError("--cert and --key go with tls")
    if of_user and what not in {"password", ALL}:
        raise click.UsageError("--user and the ways to give a password go with password or all")
    if keep_old is not None and what not in {"password", "http-secret", "ca", ALL}:
        raise click.UsageError("--keep-old goes with password, http-secret, ca or all")


def _parse(arguments: tuple[str, ...], *, wants_kind: bool) -> tuple[str, StackFolder]:
    """What to rotate, and where."""
    rest = list(arguments)
    what = rest.pop(0) if wants_kind and rest else ""
    if wants_kind and what not in (known := kinds()):
        raise click.UsageError(f"say what to rotate: {', '.join(known)}; or --status")
    if len(rest) > 1:
        raise click.UsageError("too many arguments")
    return what, StackFolderType().convert(rest[0] if rest else ".", None, None)


def _tell_plan(folder: StackFolder, rotation: Rotation) -> None:
    say(f"would rotate: {rotation.title}")
    for path in dict.fromkeys(step.path for step in (*rotation.steps, *rotation.after)):
        say(f"  change {path}")
    if rotation.hands_over:
        say(f"  have {rotation.hands_over} take it up, or the old one comes back")
    if rotation.reloads:
        say("  have nginx test and load the new certificate, or the old one comes back")
    for changed in rotation.records.values():
        if changed is not None and changed.old_until:
            until = datetime.fromtimestamp(changed.old_until, UTC)
            say(f"  the old one stays valid until {until:%Y-%m-%d %H:%M:%S} UTC")
    if folder.rotation_journal.exists():
        say("  first finish the rotation that was interrupted")


def _tell_password(folder: StackFolder, settings: StackSettings, user: str, password: GivenPassword) -> None:
    if user == settings.registry_admin_user and folder.admin_password.exists():
        say(f"the new password is in {folder.admin_password}")
    elif password.made:
        say(f"password: {password.text.decode()}")
        warn("this is the only time that it is shown")


def _show_status(folder: StackFolder, settings: StackSettings, *, as_json: bool) -> None:
    rows = load_status(folder, settings, now=datetime.now(UTC))
    if as_json:
        say(json.dumps([row.to_json() for row in rows], indent=2))
        return
    for row in rows:
        say(f"{row.what:24}{row.age_text:>12}  {row.remark}".rstrip())
    if folder.rotation_journal.exists():
        warn("a rotation was interrupted: the next stackgen rotate or stackgen users command finishes it")
