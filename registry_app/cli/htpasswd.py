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

from registry_app.auth.htpasswd import HIGHEST_COST, LOWEST_COST, NO_USERS, keeps_previous
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
        given = click.prompt(question, hide_input=True, confirmation_prompt=confirm, err=True)
    elif given is None:
        given = sys.stdin.readline().rstrip("\n")
    password = os.fsencode(str(given))
    if len(password) > LONGEST_PASSWORD or b"\0" in password:
        _fail(5, f"a password has at most {LONGEST_PASSWORD} bytes and no NUL: bcrypt would cut it in silence")
    return password


def _lines(file: Path, *, create: bool = False) -> list[str]:
    if create:
        return []
    try:
        return file.read_text(encoding="utf-8-sig", errors="surrogateescape").splitlines()
    except OSError as error:
        _fail(1, f"{file}: {error.strerror}{': use -c to create it' if isinstance(error, FileNotFoundError) else ''}")


def _put(file: Path, user: str, line: str, *, create: bool) -> None:
    # Whoever changes a password with this command wants the one before to end, too.
    lines = [one for one in _lines(file, create=create) if not keeps_previous(one, user)]
    known = _index(lines, user)
    if known is None:
        lines.append(line)
    else:
        lines[known] = line
    _replace(file, lines)
    click.echo(f"{'Adding' if known is None else 'Updating'} password for user {user}", err=True)


def _remove(file: Path, user: str) -> None:
    lines = _lines(file)
    known = _index(lines, user)
    if known is None:
        _fail(6, f"user {user} not found")
    del lines[known]
    lines = [line for line in lines if not keeps_previous(line, user)]
    _replace(file, lines if any(line.strip() for line in lines) else [NO_USERS.decode().strip()])
    click.echo(f"Deleting password for user {user}", err=True)


def _verify(file: Path, user: str, password: bytes) -> None:
    lines = _lines(file)
    known = _index(lines, user)
    if known is None:
        _fail(6, f"user {user} not found")
    stored = os.fsencode(lines[known].partition(":")[2].strip())
    try:
        right = hmac.compare_digest(bcrypt.hashpw(password, stored), stored)
    except ValueError:
        _fail(3, f"the entry of {user} is not bcrypt")
    if not right:
        _fail(3, "password verification failed")
    click.echo(f"Password for user {user} correct.", err=True)


def _index(lines: list[str], user: str) -> int | None:
    return next((index for index, line in enumerate(lines) if line.startswith(f"{user}:")), None)


def _replace(file: Path, lines: list[str]) -> None:
    """Swaps the file in one step, with the mode it had: a registry that rereads it never sees half of it."""
    text = "".join(f"{line}\n" for line in lines)
    folder = file.absolute().parent
    try:
        mode = file.stat().st_mode & 0o777 if file.exists() else 0o640
        handle, name = tempfile.mkstemp(prefix=f".htpasswd-{secrets.token_hex(4)}", dir=folder)
        with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape") as stream:
            stream.write(text)
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
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
