"""Values of a document by their dotted path, and what is wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from registry_app.configuration.document import Document, Findings

T = TypeVar("T")


class Reader:
    """Looks values up by their dotted path and collects what is wrong with them."""

    def __init__(self, document: Document, findings: Findings) -> None:
        self._document = document
        self.findings = findings

    def get(self, path: str, fallback: Any = None) -> Any:
        """The value at a path, or the fallback where it is absent, null or an empty text, which is none to upstream."""
        value: Any = self._document
        for name in path.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        return fallback if value is None or value == "" else value

    def parsed(self, path: str, parse: Callable[[Any], T], fallback: T) -> T:
        """The parsed value at a path; a ValueError becomes a problem."""
        value = self.get(path)
        if value is None:
            return fallback
        try:
            return parse(value)
        except ValueError as error:
            self.problem(path, str(error))
            return fallback

    def problem(self, path: str, text: str) -> None:
        """Notes why the service can't start."""
        self.findings.problems.append(f"{path}: {text}")
