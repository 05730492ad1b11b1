"""`registry htpasswd`, with the flags of Apache's `htpasswd`: what people type in the image of registry:2."""

from __future__ import annotations

import hmac
import os
import secrets
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

import bcrypt
import click

from registry_app.auth.htpasswd import HIGHEST_COST, LOWEST_COST, NO_USERS, is_entry, lines_of, speaks_of
from registry_app.auth.user_names import check_user_name
from registry_app.cli.output import tell

# bcrypt reads no further; a longer password would be cut in silence.
LONGEST_PASSWORD = 72
# htpasswd's own default for -B is 5; that is too cheap for anything that faces a network.
DEFAULT_COST = 10


# Flags come first, as Apache has it: what stands behind a user's name is a password, however it begins.
@click.command(
    short_help="Make and change htpasswd files, with Apache's flags.",
    context_settings={"allow_interspersed_args": False},
)
@click.option("-c", "create", is_flag=True, help="Create the file, or empty it.")
@click.option("-n", "display", is_flag=True, help="Print the line instead of changing a file.")
@click.option("-b", "batch", is_flag=True, help="Take the password from the command line (seen by other users).")
@click.option("-i", "from_input", is_flag=True, help="Read the password from standard input without asking.")
@click.option("-B", "_bcrypt", is_flag=True, help="Use bcrypt: always on, nothing else is accepted by a registry.")
@click.option(
    "-C",
    "cost",
    type=click.IntRange(LOWEST_COST, HIGHEST_COST),
    default=DEFAULT_COST,
    show_default=True,
    help="Cost of bcrypt.",
)
@click.option("-D", "delete", is_flag=True, help="Remove the user.")
@click.option("-v", "verify", is_flag=True, help="Check the password of a user.")
@click.option("-m", "-d", "-s", "-p", "-2", "-5", "other", is_flag=True, hidden=True)
@click.argument("arguments", nargs=-1)
def command(  # noqa: PLR0917 - click hands every flag over
    create: bool,  # noqa: FBT001
    display: bool,  # noqa: FBT001
    batch: bool,  # noqa: FBT001
    from_input: bool,  # noqa: FBT001
    _bcrypt: bool,  # noqa: FBT001
    cost: int,
    delete: bool,  # noqa: FBT001
    verify: bool,  # noqa: FBT001
    other: bool,  # noqa: FBT001
    arguments: tuple[str, ...],
) -> None:
    """Make and change htpasswd files.

    \b
    registry htpasswd -Bbn alice secret > htpasswd     (prints the line)
    registry htpasswd -B  htpasswd alice               (asks for the password)
    registry htpasswd -D  htpasswd alice               (removes the user)
    """
    if other:
        _fail(2, "registries accept bcrypt alone: leave out -m, -d, -s, -p, -2 and -5, or write -B")
    expected = (0 if display else 1) + 1 + (1 if batch else 0)
    if len(arguments) != expected or (display and (create or delete or verify)):
        _fail(2, "wrong number of arguments: htpasswd [-cBDv] FILE USER [PASSWORD], or htpasswd -n[Bb] USER [PASSWORD]")
    file = None if display else Path(arguments[0])
    user = arguments[0 if display else 1]
    if file is not None and delete:
        _remove(file, user)
        return
    password = _password(arguments[-1] if batch else None, ask=not from_input, confirm=not verify)
    if file is not None and verify:
        _verify(file, user, password)
        return
    _check_user(user)
    line = f"{user}:{bcrypt.hashpw(password, bcrypt.gensalt(cost)).decode()}"
    if file is None:
        tell(line + "\n")
    else:
        _put(file, user, line, create=create)


def _check_user(user: str) -> None:
    try:
        check_user_name(user)
    except ValueError as error:
        _fail(6, f"{user!r} {error}")


def _password(given: str | None, *, ask: bool, confirm: bool) -> bytes:
    if given is None and ask:
        question = "New password" if confirm else "Password"
        given = _asked(question, confirm=confirm)
    elif given is None:
        given = sys.stdin.readline().rstrip("\n")
    password = os.fsencode(given)
    if len(password) > LONGEST_PASSWORD or b"\0" in password:
        _fail(5, f"a password has at most {LONGEST_PASSWORD} bytes and no NUL: bcrypt would cut it in silence")
    return password


def _asked(question: str, *, confirm: bool) -> str:
    try:
        return str(click.prompt(question, hide_input=True, confirmation_prompt=confirm, err=True))
    except UnicodeDecodeError:
        _fail(5, "what was typed is not UTF-8, as which clients send passwords")


def _lines(file: Path, *, create: bool = False) -> list[bytes]:
    if create:
        return []
    try:
        return lines_of(file.read_bytes())
    except OSError as error:
        _fail(1, f"{file}: {error.strerror}{': use -c to create it' if isinstance(error, FileNotFoundError) else ''}")


def _put(file: Path, user: str, line: str, *, create: bool) -> None:
    lines = _lines(file, create=create)
    known = next((place for place, one in enumerate(lines) if is_entry(one, user)), None)
    # Of several lines of one name a registry takes the last, and whoever changes a password with this command wants
    # the one before to end, too.
    before, after = (_without(part, user) for part in (lines[:known], [] if known is None else lines[known:]))
    _replace(file, [*before, line.encode(), *after])
    click.echo(f"{'Adding' if known is None else 'Updating'} password for user {user}", err=True)


def _remove(file: Path, user: str) -> None:
    lines = _lines(file)
    if not any(is_entry(line, user) for line in lines):
        _fail(6, f"user {user} not found")
    left = _without(lines, user)
    _replace(file, left if any(line.strip() for line in left) else lines_of(NO_USERS))
    click.echo(f"Deleting password for user {user}", err=True)


def _without(lines: list[bytes], user: str) -> list[bytes]:
    return [line for line in lines if not speaks_of(line, user)]


def _verify(file: Path, user: str, password: bytes) -> None:
    found = [line for line in _lines(file) if is_entry(line, user)]
    if not found:
        _fail(6, f"user {user} not found")
    stored = found[-1].strip().partition(b":")[2]
    try:
        right = hmac.compare_digest(bcrypt.hashpw(password, stored), stored)
    except ValueError:
        _fail(3, f"the entry of {user} is not bcrypt")
    if not right:
        _fail(3, "password verification failed")
    click.echo(f"Password for user {user} correct.", err=True)


def _replace(file: Path, lines: list[bytes]) -> None:
    """Swaps the file in one step, with mode and owner as before: a registry that rereads it never sees half of it."""
    text = b"".join(line + b"\n" for line in lines)
    folder = file.absolute().parent
    try:
        before = file.stat() if file.exists() else None
        handle, name = tempfile.mkstemp(prefix=f".htpasswd-{secrets.token_hex(4)}", dir=folder)
        with os.fdopen(handle, "wb") as stream:
            stream.write(text)
            stream.flush()
            if before is not None and (os.geteuid() == 0 or before.st_gid in os.getgroups()):
                # The registry reads it by its group, and root's own is not that.
                os.fchown(handle, before.st_uid if os.geteuid() == 0 else -1, before.st_gid)
            os.fchmod(handle, before.st_mode & 0o777 if before is not None else 0o640)
            os.fsync(handle)
        Path(name).replace(file)
    except OSError as error:
        _fail(1, f"{file}: {error.strerror}")


def _fail(code: int, text: str) -> NoReturn:
    click.echo(f"htpasswd: {text}", err=True)
    raise SystemExit(code)


def main() -> None:
    """The command alone, for an image's `htpasswd`."""
    command(prog_name="htpasswd")


if __name__ == "__main__":
    main()
