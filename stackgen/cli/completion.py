"""`stackgen completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from stackgen.cli.options import examples
from stackgen.cli.terminal import say


@click.command(
    epilog=examples(
        "stackgen completion bash > ~/.local/share/bash-completion/completions/stackgen",
        "stackgen completion fish > ~/.config/fish/completions/stackgen.fish",
        'eval "$(stackgen completion zsh)"   # in ~/.zshrc',
    )
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the script that completes stackgen's commands in your shell."""
    from stackgen.cli import group  # noqa: PLC0415  (the group loads this module)

    completion = get_completion_class(shell)
    if completion is None:
        raise click.UsageError(f"no completion for {shell}")
    say(completion(group, {}, "stackgen", "_STACKGEN_COMPLETE").source())
