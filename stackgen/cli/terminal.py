"""How results look: readable on a terminal of 80 columns, plain in a pipe; nothing is printed that a terminal obeys."""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import click

from registry_app.plain_text import plain, plain_message
from stackgen.shell import way_to_stackgen

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stackgen.errors import Problem


def say(text: str = "", *, label: str = "", colour: str | None = None) -> None:
    """One line of result, behind a label that may have a colour."""
    shown = _style(plain(label), fg=colour, bold=True) if colour else plain(label)
    click.echo(shown + plain(text))


def sentence(text: str) -> None:
    """Words for a person, on as many lines as the terminal's width asks for."""
    for line in _wrapped(plain(text)):
        click.echo(line)


def heading(text: str) -> None:
    """A line that starts a part."""
    for line in _wrapped(plain(text)):
        click.echo(_style(line, bold=True))


def command_line(text: str, note: str = "") -> None:
    """A command to type, indented; its note stands above it, so that the line can be copied whole."""
    for line in _wrapped(f"  # {plain(note)}", after="  # ") if note else ():
        click.echo(_style(line, dim=True))
    for line in fold(f"  {plain(text)}", columns=_columns()):
        click.echo(line)


def _style(text: str, **how: Any) -> str:
    """The text with a colour or weight, which click leaves out of a pipe; plain for who wants none (no-color.org)."""
    plainly = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return text if plainly else click.style(text, **how)


def _wrapped(text: str, *, after: str = "") -> list[str]:
    """The lines of a sentence; those behind the first one begin with `after`, else as the first one does."""
    columns = _columns()
    if columns is None or len(text) <= columns:
        return [text]
    indent = after or text[: len(text) - len(text.lstrip())]
    return textwrap.wrap(
        text, max(columns, _NARROWEST), subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _columns() -> int | None:
    """The width of the terminal that is written to; None for a pipe, where a line stays whole."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


_NARROWEST = 20
"""Columns: on fewer nobody reads."""
# A word of a shell's, with what is quoted in it.
_WORD = re.compile(r"""(?:[^\s'"]|'[^']*'|"[^"]*")+""")


def fold(line: str, *, columns: int | None) -> list[str]:
    """A command on as many lines as it takes, which a shell reads as one when they are pasted together."""
    if columns is None or len(line) <= columns:
        return [line]
    indent = line[: len(line) - len(line.lstrip())]
    lines: list[str] = []
    for word in _WORD.findall(line):
        if lines and len(lines[-1]) + len(word) + 3 <= columns:
            lines[-1] += f" {word}"
        else:
            lines.append(f"{indent}  {word}" if lines else indent + word)
    return [f"{one} \\" for one in lines[:-1]] + lines[-1:]


def error(message: str, hint: str = "") -> None:
    """What went wrong and what to do, on standard error."""
    click.echo(_style("error: ", fg="red", bold=True) + plain_message(message), err=True)
    if hint:
        click.echo(_style("hint:  ", fg="cyan", bold=True) + plain_message(hint), err=True)
        tell_way_to_stackgen(hint)


def tell_way_to_stackgen(*remedies: str) -> None:
    """The line without which a shell would not know the commands in these, on standard error; after a quickstart."""
    if any("stackgen " in remedy for remedy in remedies) and (line := way_to_stackgen()):
        warn(f"stackgen is not on the PATH here; first: {line}")


def warn(message: str) -> None:
    """Something that works and should be looked at, on standard error."""
    click.echo(_style("note:  ", fg="yellow", bold=True) + plain_message(message), err=True)


def tell_worries(worries: Iterable[Problem]) -> None:
    """What should be looked at, each with its remedy."""
    for one in worries:
        warn(f"{one.text}: {one.remedy}")


_DIFF_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def diff_line(line: str) -> None:
    """A line of a unified diff."""
    click.echo(_style(plain(line.rstrip("\n")), fg=_DIFF_COLOURS.get(line[:1])))
