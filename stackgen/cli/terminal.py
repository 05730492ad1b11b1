"""How results look: readable on a terminal of 80 columns, plain in a pipe."""

from __future__ import annotations

import re
import shutil
import sys

import click


def say(text: str = "") -> None:
    """One line of result."""
    click.echo(text)


def heading(text: str) -> None:
    """A line that starts a part."""
    click.secho(text, bold=True)


def command_line(text: str, note: str = "") -> None:
    """A command to type, indented; its note stands above it, so that the line can be copied whole."""
    if note:
        click.secho(f"  # {note}", dim=True)
    for line in fold(f"  {text}", columns=_columns()):
        click.echo(line)


def _columns() -> int | None:
    """The width of the terminal that is written to; None for a pipe, where a line stays whole."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


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
    click.echo(click.style("error: ", fg="red", bold=True) + message, err=True)
    if hint:
        click.echo(click.style("hint:  ", fg="cyan", bold=True) + hint, err=True)


def warn(message: str) -> None:
    """Something that works and should be looked at, on standard error."""
    click.echo(click.style("note:  ", fg="yellow", bold=True) + message, err=True)


_DIFF_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def diff_line(line: str) -> None:
    """A line of a unified diff."""
    click.secho(line.rstrip("\n"), fg=_DIFF_COLOURS.get(line[:1]))
