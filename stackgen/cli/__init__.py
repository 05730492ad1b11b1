"""The command line: the only part that prints and exits. Commands are loaded when they are called."""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, NoReturn

import click

from registry_app.entry import finish, show_usage
from registry_app.plain_text import quoted
from stackgen import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {
    "init": ("stackgen.cli.init", "Make a stack: settings, secrets, certificate and compose.yaml."),
    "next": ("stackgen.cli.next", "Show again how to start the stack, trust it, log in and push."),
    "plan": ("stackgen.cli.plan", "Show what render would change."),
    "render": ("stackgen.cli.render", "Write the stack's files anew from .env."),
    "validate": ("stackgen.cli.validate", "Check .env and report every error at once."),
    "settings": ("stackgen.cli.settings", "Explain the settings of .env."),
    "enable": ("stackgen.cli.enable", "Run a profile beside the registry."),
    "disable": ("stackgen.cli.disable", "Stop running a profile."),
    "profiles": ("stackgen.cli.profiles", "List the profiles."),
    "doctor": ("stackgen.cli.doctor", "Say what is wrong with the stack or this host, and the way out."),
    "status": ("stackgen.cli.status", "Show what runs, since when, how full it is and what is due."),
    "pin": ("stackgen.cli.pin", "Write down the digests of the images' tags."),
    "publish": ("stackgen.cli.publish", "Publish the stack as an OCI artifact."),
    "verify": ("stackgen.cli.verify", "Check a published stack and show what would run."),
    "demo": ("stackgen.cli.demo", "Make and start a stack, and prove it with an image."),
    "users": ("stackgen.cli.users", "Add, change, remove and list users."),
    "access": ("stackgen.cli.access", "Check and explain who may do what."),
    "rotate": ("stackgen.cli.rotate", "Change passwords, keys and certificates while the stack runs."),
    "gc": ("stackgen.cli.gc", "Remove what no image needs, while the registry serves."),
    "serve": ("stackgen.cli.serve", "Run the registry without Docker, on loopback."),
    "completion": ("stackgen.cli.completion", "Print the script that completes commands in your shell."),
}
"""Command → (module that defines `command`, what --help says of it)."""


class LazyGroup(click.Group):
    """Knows its commands by name and imports a command's module when it is called, so that --help is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of that name, imported now."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name][0]).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's, with a near name in the error."""
        name = args[0] if args else ""
        if name and name not in COMMANDS and not name.startswith("-"):
            import difflib  # noqa: PLC0415  (for the mistake alone)

            near = difflib.get_close_matches(name, COMMANDS, n=1)
            ctx.fail(f"No such command {quoted(name)}." + (f" Did you mean {near[0]!r}?" if near else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The table, without importing one command."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="\b\nFirst steps:\n  stackgen init mystack && cd mystack && docker compose up -d --wait",
)
@click.version_option(__version__, "-V", "--version", message="stackgen %(version)s")
def group() -> None:
    """A team's own private container registry in two commands."""


_NOT_FOR_OTHERS = 0o022
_NOT_FOR_ONESELF = 0o700


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry point of `stackgen`: errors of the user's become a message and a hint, bugs a report file."""
    # pydantic would read the metadata of every installed package in search of plugins: a tenth of a render's time.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # Whatever the caller's umask lets others write, not a stack: nobody else may replace a key or a journal.
    # And whatever it takes from the caller, what is made here can be written to, and removed again.
    os.umask((os.umask(_NOT_FOR_OTHERS) | _NOT_FOR_OTHERS) & ~_NOT_FOR_ONESELF)
    raise SystemExit(finish(group, arguments, name="stackgen", report=_report))


def _report(error: Exception) -> int:
    if isinstance(error, click.ClickException):
        return show_usage(error)
    from stackgen.cli import failures  # noqa: PLC0415  (for the mistake alone)

    return failures.report(error)
