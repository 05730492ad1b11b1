"""How results look: readable on a terminal of 80 columns, plain in a pipe."""

from __future__ import annotations

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
    click.echo(f"  {text}")


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
