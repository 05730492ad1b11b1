"""`stackgen settings`."""

from __future__ import annotations

import click

from stackgen import reference
from stackgen.cli.options import examples
from stackgen.cli.terminal import heading, say
from stackgen.env_file import NAMES, near_name
from stackgen.errors import StackgenError
from stackgen.settings import StackSettings

FORMATS = {
    "env": reference.example_env,
    "markdown": reference.settings_page,
    "schema": reference.settings_schema,
}


@click.command(
    epilog=examples(
        "stackgen settings", "stackgen settings STORAGE_DIR", "stackgen settings --as schema > .env.schema.json"
    )
)
@click.argument("name", required=False)
@click.option("--as", "form", type=click.Choice(list(FORMATS)), default="env", help="How to print them all.")
def command(name: str | None, form: str) -> None:
    """Explain one setting, or print all of them with their defaults."""
    if name is None:
        click.echo(FORMATS[form](), nl=False)
        return
    if name.upper() not in NAMES:
        near = near_name(name)
        raise StackgenError(
            f"there is no setting {name}", hint=f"did you mean {near}?" if near else "stackgen settings"
        )
    field = StackSettings.model_fields[NAMES[name.upper()]]
    heading(name.upper())
    say(field.description or "")
    say(f"default: {reference.default_text(field) or '(empty)'}")
    say(reference.said_of(field, "remedy"))
