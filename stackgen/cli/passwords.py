"""How a command gets a password: asked for, read, or made; never as an argument, which every user could see."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from registry_app.auth.htpasswd import check_password
from registry_app.regular_files import read_named
from stackgen.credentials import new_password
from stackgen.errors import StackgenError

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class GivenPassword:
    """A password, and whether it was made here and so has to be shown once."""

    text: bytes = field(repr=False)
    made: bool = False


def password_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The three ways besides asking: --password-file, --password-stdin, --generate."""
    for option in (
        click.option("--generate", is_flag=True, help="Make a strong password and show it once."),
        click.option("--password-stdin", is_flag=True, help="Read the password from standard input."),
        click.option(
            "--password-file",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Read the password from a file; one newline at its end is not a part of it.",
        ),
    ):
        function = option(function)
    return function


def get_password(*, file: Path | None, stdin: bool, generate: bool) -> GivenPassword:
    """The password in the chosen way, asked for on a terminal by default. StackgenError for one bcrypt can't take."""
    if sum((file is not None, stdin, generate)) > 1:
        raise click.UsageError("choose one of --password-file, --password-stdin and --generate")
    if generate:
        return GivenPassword(new_password().encode(), made=True)
    if file is not None:
        text = _read(file)
    elif stdin:
        text = _without_newline(sys.stdin.buffer.read(4096))
    elif sys.stdin.isatty():
        text = _ask()
    else:
        raise StackgenError(
            "there is no terminal to ask for the password",
            hint="use --generate, --password-stdin or --password-file FILE",
        )
    try:
        check_password(text)
    except ValueError as error:
        raise StackgenError(str(error), hint="choose another one, or let it be made: --generate") from None
    return GivenPassword(text)


def _ask() -> bytes:
    try:
        return os.fsencode(str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)))
    except UnicodeDecodeError:
        # Not the error's own text: it tells a byte of the password and its place.
        raise StackgenError(
            "what was typed is not UTF-8, as which clients send passwords",
            hint="set the terminal's encoding to UTF-8, or use --password-file FILE",
        ) from None


def _read(file: Path) -> bytes:
    try:
        return _without_newline(read_named(file))
    except OSError as error:
        raise StackgenError(
            f"{file} can't be read: {error.strerror}",
            hint="name a file with one password in it, or use --password-stdin",
        ) from None


def _without_newline(text: bytes) -> bytes:
    return text.removesuffix(b"\n").removesuffix(b"\r")
