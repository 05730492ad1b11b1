"""Finds the resource of a path; names of repositories hold slashes, which Falcon's own templates can't follow."""

from __future__ import annotations

import re
from typing import Any

from falcon.routing import CompiledRouter, map_http_methods, set_default_responders

# What a request is handled by, in the shape that Falcon expects from a router.
Found = tuple[object, dict[str, Any], dict[str, str], str]

# A repository's name is at most 255 characters long; nothing longer is worth matching.
LONGEST_PATH = 1024


class RegistryRouter(CompiledRouter):
    """Tries one regular expression after another, literal paths by a table; the resource gets the raw texts.

    Nothing of Falcon's own router is used: a repository's name may end in what looks like the rest of another
    template, so the rest has to be matched from the end.
    """

    def __init__(self) -> None:
        super().__init__()
        self._literal: dict[str, tuple[object, dict[str, Any], str]] = {}
        self._spanning: list[tuple[re.Pattern[str], object, dict[str, Any], str]] = []

    def add_route(self, uri_template: str, resource: object, **_options: Any) -> None:
        """Adds a template; the order of templates is the order of trying."""
        methods: dict[str, Any] = dict(map_http_methods(resource))
        if "GET" in methods:
            methods.setdefault("HEAD", methods["GET"])
        set_default_responders(methods)
        if "{" not in uri_template:
            self._literal[uri_template] = (resource, methods, uri_template)
            return
        parts = re.split(r"\{(\w+)\}", uri_template)
        fixed = [re.escape(part) for part in parts[::2]]
        named = [f"(?P<{name}>{'.+' if name == 'repository' else '[^/]+'})" for name in parts[1::2]]
        pattern = "".join(piece for pair in zip(fixed, [*named, ""], strict=True) for piece in pair)
        self._spanning.append((re.compile(pattern, re.DOTALL), resource, methods, uri_template))

    def add_alias(self, path: str, uri_template: str) -> None:
        """Serves one more path as a template without names is served, and under its name."""
        self._literal[path] = self._literal[uri_template]

    def find(self, uri: str, req: Any = None) -> Found | None:  # noqa: ARG002 - Falcon's signature
        """Resource, responders by method, parameters and template of a path; None where nothing is served."""
        literal = self._literal.get(uri)
        if literal is not None:
            resource, methods, template = literal
            return resource, methods, {}, template
        if len(uri) > LONGEST_PATH:
            return None
        for pattern, resource, methods, template in self._spanning:
            match = pattern.fullmatch(uri)
            if match is not None:
                return resource, methods, match.groupdict(), template
        return None
