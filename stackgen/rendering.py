"""Jinja with strict names and a quoting filter for each language that a stack is written in."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from stackgen import dotenv
from stackgen.assets import asset_root
from stackgen.compiled_templates import CompiledTemplates

# What YAML 1.1 and 1.2 don't allow, or fold, inside double quotes.
_NOT_IN_YAML = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]")


def quote_yaml(value: Any) -> str:
    """A YAML flow scalar, list or mapping that reads back as the same value; for files that Compose doesn't read."""
    if isinstance(value, bool) or value is None or isinstance(value, int | float):
        return json.dumps(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{quote_yaml(str(k))}: {quote_yaml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(quote_yaml(one) for one in value) + "]"
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + _NOT_IN_YAML.sub(lambda m: f"\\u{ord(m.group()):04x}", text) + '"'


def quote_compose(value: Any) -> str:
    """As `quote_yaml`, for compose.yaml: Compose replaces $NAME after parsing, so each $ is doubled."""
    return quote_yaml(value).replace("$", "$$")


def quote_nginx(value: Any) -> str:
    """A double-quoted parameter of nginx; ValueError for $, which nginx can't escape."""
    text = str(value)
    if "$" in text or _NOT_IN_YAML.search(text):
        raise ValueError(f"nginx can't take {text!r}: it holds a $ or a control character")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def quote_json(value: Any) -> str:
    """JSON text."""
    return json.dumps(value, ensure_ascii=False)


@functools.cache
def _environment() -> Environment:
    """One environment for the process: parsing the templates costs more than rendering them."""
    environment = Environment(
        loader=FileSystemLoader(asset_root()),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701  (no HTML: every value passes one of the filters below)
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        bytecode_cache=CompiledTemplates(),
    )
    environment.filters.update(
        yaml=quote_compose, plain_yaml=quote_yaml, nginx=quote_nginx, json=quote_json, env=dotenv.quote
    )
    return environment


@dataclass(frozen=True, slots=True)
class Renderer:
    """Renders the templates of the asset folders against one set of names."""

    names: Mapping[str, Any]

    def render(self, template: str) -> str:
        """The text of a template; `template` is its path below the asset root."""
        return _environment().get_template(template).render(self.names)
