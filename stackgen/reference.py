"""`.env.example`, the settings reference and the JSON schema, all made from StackSettings."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from stackgen import dotenv
from stackgen.settings import StackSettings

HEADING = "# Every setting of a stack, with its default. Copy the lines that you change into .env.\n"


def _extra(field: Any, key: str) -> str:
    extra = field.json_schema_extra
    return str(extra.get(key, "")) if isinstance(extra, dict) else ""


def fields_by_group() -> list[tuple[str, list[tuple[str, Any]]]]:
    """Groups in the order of their first field, each with (name in .env, field)."""
    named = [(name.upper(), field) for name, field in StackSettings.model_fields.items()]
    return [(group, list(fields)) for group, fields in groupby(named, key=lambda one: _extra(one[1], "group"))]


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
