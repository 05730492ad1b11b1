"""`stackgen users`."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from stackgen.cli.interrupted import finish_interrupted
from stackgen.cli.names import require_new_name
from stackgen.cli.options import DURATION, examples, stack_argument
from stackgen.cli.passwords import GivenPassword, get_password, password_options
from stackgen.cli.terminal import say, warn
from stackgen.env_file import load_settings
from stackgen.errors import StackgenError
from stackgen.rotation.journal import carry_out
from stackgen.rotation.records import load_records
from stackgen.rotation.secrets import load_users, plan_password, plan_removal, record_of, require_user
from stackgen.shell import stackgen_line
from stackgen.writing import exclusive

if TYPE_CHECKING:
    from pathlib import Path

    from stackgen.folder import StackFolder

_DAY = 86400


@click.group(
    epilog=examples(
        "stackgen users add alice",
        "stackgen users add ci --generate",
        "stackgen users passwd alice --keep-old 1h",
        "stackgen users remove alice",
    )
)
def command() -> None:
    """Who may log in: add, change, remove and list users.

    Every command works on a running stack and on one at rest; the registry takes up a change within two seconds.
    """


@command.command(
    "add", epilog=examples("stackgen users add alice", "pass show alice | stackgen users add alice --password-stdin")
)
@click.argument("name")
@stack_argument
@password_options
def add(folder: StackFolder, name: str, *, password_file: Path | None, password_stdin: bool, generate: bool) -> None:
    """Add the user NAME to the stack in DIR."""
    settings = load_settings(folder)
    require_new_name(name)
    _require_absent(folder, name)
    password = get_password(file=password_file, stdin=password_stdin, generate=generate)
    with exclusive(folder):
        finish_interrupted(folder, settings)
        _require_absent(folder, name)  # another command may have been faster while the password was typed
        rotation = plan_password(folder, settings, name, password.text, now=time.time(), keep_old=0)
        carry_out(folder, settings, replace(rotation, event="user-add", subject=name))
    say(f"added {name}")
    _show(password)


@command.command(
    "passwd", epilog=examples("stackgen users passwd alice", "stackgen users passwd ci --generate --keep-old 24h")
)
@click.argument("name")
@stack_argument
@password_options
@click.option(
    "--keep-old", type=DURATION, default=0, metavar="TIME", help="How long the old password stays valid.  [default: 0s]"
)
def passwd(
    folder: StackFolder, name: str, *, password_file: Path | None, password_stdin: bool, generate: bool, keep_old: int
) -> None:
    """Give the user NAME another password."""
    settings = load_settings(folder)
    require_user(folder, name)
    password = get_password(file=password_file, stdin=password_stdin, generate=generate)
    with exclusive(folder):
        finish_interrupted(folder, settings)
        require_user(folder, name)
        rotation = plan_password(folder, settings, name, password.text, now=time.time(), keep_old=keep_old)
        carry_out(folder, settings, replace(rotation, event="user-passwd", subject=name))
    say(f"changed the password of {name}" + (f"; the old one is valid for {keep_old} s more" if keep_old else ""))
    _show(password)


@command.command("remove", epilog=examples("stackgen users remove alice"))
@click.argument("name")
@stack_argument
def remove(folder: StackFolder, name: str) -> None:
    """Remove the user NAME; a session under way is refused within two seconds.

    With the first user the files go that told that password.
    """
    settings = load_settings(folder)
    with exclusive(folder):
        finish_interrupted(folder, settings)
        carry_out(folder, settings, plan_removal(folder, settings, name))
    say(f"removed {name}")
    if not load_users(folder).hashes:
        warn(f"there is no user left, so nobody can log in: {stackgen_line(folder, 'users', 'add', 'NAME')}")


@command.command("list", epilog=examples("stackgen users list", "stackgen users list --json"))
@stack_argument
@click.option("--json", "as_json", is_flag=True, help="The list as JSON.")
def list_(folder: StackFolder, *, as_json: bool) -> None:
    """List the users, with the age of their passwords where it is known."""
    users, records, now = load_users(folder), load_records(folder), time.time()
    rows = []
    for name in sorted(users.hashes):
        changed = records.get(record_of(name))
        until = next((stored.until for stored in users.valid(name, now) if stored.until is not None), None)
        rows.append({"name": name, "changed": changed and int(changed.at), "old_valid_until": until and int(until)})
    if as_json:
        say(json.dumps(rows, indent=2))
    else:
        for row in rows:
            age = f"password {_days(now - float(row['changed']))} old" if row["changed"] else ""
            old = "; the one before is still valid" if row["old_valid_until"] else ""
            say(f"{row['name']:24}{age}{old}".rstrip())
    for problem in users.problems:
        warn(f"{folder.htpasswd} {problem}")


def _require_absent(folder: StackFolder, name: str) -> None:
    if name in load_users(folder).hashes:
        raise StackgenError(
            f"{name!r} is a user already", hint=f"a new password: {stackgen_line(folder, 'users', 'passwd', name)}"
        )


def _days(seconds: float) -> str:
    days = int(seconds // _DAY)
    return "less than a day" if days < 1 else f"{days} day{'s' if days > 1 else ''}"


def _show(password: GivenPassword) -> None:
    if password.made:
        say(f"password: {password.text.decode()}")
        warn("this is the only time that it is shown")
