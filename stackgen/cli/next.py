"""`stackgen next`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from stackgen.cli import next_steps
from stackgen.cli.options import examples, stack_argument
from stackgen.cli.terminal import sentence
from stackgen.env_file import load_settings

if TYPE_CHECKING:
    from stackgen.folder import StackFolder


@click.command(epilog=examples("stackgen next", "stackgen next mystack"))
@stack_argument
def command(folder: StackFolder) -> None:
    """Show again what init showed: how to start the stack, trust it, log in and push."""
    settings = load_settings(folder)
    sentence(f"Stack in {folder.root}/ for {settings.external_url}")
    next_steps.tell(folder, settings)
