"""`.env.example`, the settings reference and the JSON schema, all made from StackSettings."""

from __future__ import annotations

import json
from itertools import groupby
from typing import Any

from stackgen import dotenv
from stackgen.settings import StackSettings

HEADING = "# Every setting of a stack, with its default. Copy the lines that you change into .env.\n"
_INTRODUCTION = """\
# Settings

Every variable that a stack's `.env` may hold. One whose default is empty may be empty; for any other default remove
the line. `stackgen validate` checks them all at once, `stackgen plan` shows what a change does, `stackgen render`
writes it. Names that are none of these are left to Compose and your `compose.override.yaml`; a near miss of one of
these is an error.

Compose reads `.env` too, so a value is written as Compose reads it: plain, or in single quotes when it holds spaces,
`#`, quotes or `$`.
"""


def said_of(field: Any, key: str) -> str:
    """What a field says beside its type and default: group, remedy or example."""
    given = field.json_schema_extra
    return str(given.get(key, "")) if isinstance(given, dict) else ""


def fields_by_group() -> list[tuple[str, list[tuple[str, Any]]]]:
    """Groups in the order of their first field, each with (name in .env, field)."""
    named = [(name.upper(), field) for name, field in StackSettings.model_fields.items()]
    return [(group, list(fields)) for group, fields in groupby(named, key=lambda one: said_of(one[1], "group"))]


def default_text(field: Any) -> str:
    """A default as it is written in `.env`; empty for none."""
    value = field.default
    if value is None or value == ():
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def example_env() -> str:
    """Every setting as a comment, by group."""
    lines = [HEADING]
    for group, fields in fields_by_group():
        lines.append(f"\n## {group}\n")
        for name, field in fields:
            lines.append(f"# {field.description}\n#{name}={dotenv.quote(default_text(field))}\n")
    return "".join(lines)


def settings_page() -> str:
    """The reference page in Markdown."""
    parts = [_INTRODUCTION]
    for group, fields in fields_by_group():
        parts.append(f"\n## {group}\n")
        for name, field in fields:
            default = f"`{default_text(field)}`" if default_text(field) else "empty"
            example = f" Example: `{said_of(field, 'example')}`." if said_of(field, "example") else ""
            remedy = said_of(field, "remedy")
            parts.append(
                f"\n### {name}\n\n{field.description}\n\n"
                f"Default: {default}.{example} {remedy[:1].upper()}{remedy[1:]}.\n"
            )
    return "".join(parts)


def settings_schema() -> str:
    """A JSON schema of the variables, for editors: names as in `.env`."""
    schema = StackSettings.model_json_schema()
    properties = {}
    for name, one in schema["properties"].items():
        kept = {key: value for key, value in one.items() if key not in {"title", "group", "remedy", "example"}}
        if one.get("example"):
            kept["examples"] = [one["example"]]
        properties[name.upper()] = kept
    return (
        json.dumps(
            {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "title": "Settings of a stackgen stack (.env)",
                "type": "object",
                "properties": properties,
            },
            indent=2,
        )
        + "\n"
    )


def commands_page() -> str:
    """Every command with its --help, in Markdown."""
    import click  # noqa: PLC0415  (only for this page)

    from stackgen.cli import group  # noqa: PLC0415  (the command line imports this module's neighbours)

    parts = ["# Commands\n\nWhat `stackgen COMMAND --help` prints.\n"]

    help_options = group.context_settings["help_option_names"]

    def describe(command: click.Command, path: str) -> None:
        with click.Context(
            command, info_name=path, terminal_width=96, max_content_width=96, help_option_names=help_options
        ) as context:
            parts.append(f"\n## {path}\n\n```text\n{command.get_help(context)}\n```\n")
            if isinstance(command, click.Group):
                for name in command.list_commands(context):
                    inner = command.get_command(context, name)
                    if inner is not None:
                        describe(inner, f"{path} {name}")

    describe(group, "stackgen")
    return "".join(parts)


def pages() -> dict[str, str]:
    """Path below docs/ → text of every page that is made from the code."""
    return {
        "reference/settings.md": settings_page(),
        "reference/settings.schema.json": settings_schema(),
        "reference/env.example": example_env(),
        "reference/commands.md": commands_page(),
    }
