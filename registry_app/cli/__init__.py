"""The `registry` command. Each command is a module of its own, loaded when it is called."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, ClassVar, NoReturn

import click

from registry_app import __version__
from registry_app.entry import FAILED, finish, show_usage
from registry_app.plain_text import plain_message

if TYPE_CHECKING:
    from collections.abc import Sequence

# Command -> module below registry_app.cli that defines a click command named `command`.
COMMANDS = {
    "serve": "serve",
    "health": "health",
    "htpasswd": "htpasswd",
    "read-only": "read_only",
    "adopt": "adopt",
    "check": "check",
    "reindex": "reindex",
    "garbage-collect": "garbage_collect",
    "scrub": "scrub",
    "trash": "trash",
    "init-stack": "init_stack",
}


class LazyGroup(click.Group):
    """A group that imports the module of a command only when that command is asked for."""

    commands_by_name: ClassVar[dict[str, str]] = COMMANDS

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table."""
        return list(self.commands_by_name)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The usual; `help` and `help COMMAND` are `--help`, as upstream's command line takes them."""
        return super().parse_args(ctx, [*args[1:2], "--help"] if args[:1] == ["help"] else args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name, or None."""
        module = self.commands_by_name.get(cmd_name)
        if module is None:
            return None
        command: click.Command = importlib.import_module(f"registry_app.cli.{module}").command
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-v", "--version", prog_name="registry", message="%(prog)s stackgen %(version)s")
def group() -> None:
    """An OCI Distribution registry, a drop-in for registry:2 and registry:3.

    \b
    registry serve /etc/docker/registry/config.yml
    registry garbage-collect --dry-run /etc/docker/registry/config.yml
    """


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry point of `registry`: 1 and a message where files or the output fail; a bug keeps its traceback."""
    raise SystemExit(finish(group, arguments, name="registry", report=_report))


def _report(error: Exception) -> int:
    if isinstance(error, click.ClickException):
        return show_usage(error)
    if isinstance(error, OSError) and error.errno:
        place = f"{error.filename}: " if error.filename else "the output can't be written: "
        click.echo(f"error: {plain_message(place + (error.strerror or ''))}", err=True)
        return FAILED
    raise error
