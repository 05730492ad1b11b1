"""Strict JSON: what two readers could understand differently is refused before anything looks at it."""

from __future__ import annotations

import json
import re
from typing import Any

DEEPEST = 64
# Digits; sizes have nineteen at most, and no two readers agree on what a very long number is.
LONGEST_NUMBER = 400
# Always matches from a quote on, closed or not: otherwise an open string full of escaped quotes would be scanned
# again from each of them.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_ALL_BUT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object of this UTF-8 text; ValueError, with a reason for people, for anything else.

    Refused: duplicate keys, NaN and Infinity, nesting deeper than `DEEPEST`, whole numbers of more digits than
    `LONGEST_NUMBER`, a byte order mark, other encodings, and half a character (a surrogate without its other half).
    """
    if _depth(body) > DEEPEST:
        raise ValueError(f"nested deeper than {DEEPEST} levels")
    try:
        document = json.loads(body.decode(), object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=_bounded)
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - one kind of error for every bad document
    if _SURROGATE.search(body):
        _refuse_half_characters(document)
    return document


def _depth(body: bytes) -> int:
    depth = deepest = 0
    for bracket in _STRING.sub(b"", body).translate(None, delete=_ALL_BUT_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
        if deepest > DEEPEST:
            break
    return deepest


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice[:100]!r} occurs twice")
    return document


def _refuse_half_characters(document: dict[str, Any]) -> None:
    """ValueError if a text in it, or a key, can't be written as UTF-8: no answer could quote it."""
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = error.object[error.start : error.end]
        raise ValueError(f"{half[:1]!r} is half a character: a surrogate without its other half") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _bounded(digits: str) -> int:
    if len(digits) > LONGEST_NUMBER:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)
