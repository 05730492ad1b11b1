"""Globs of repository names: `*` and `?` stay within one path component, `**` spans any number. Pure.

`team/**` holds everything below `team` and not `team` itself; `**/base` holds `base` at any depth.

A regular expression with many wildcards tries the ways to share a name among them one after another, and a stranger
chooses the name: such globs are followed in all ways at once, in time that grows with the name only.
"""

from __future__ import annotations

import re
from functools import lru_cache

_FEW_WILDCARDS = 2
_REMEMBERED = 8192
# What may stand in a glob besides characters: `*`, `**`, `?`, and `**/`, which is two states, before and in components.
_STAR, _DEEP, _ONE, _SPAN, _INSIDE = "star", "deep", "one", "span", "inside"


@lru_cache(maxsize=_REMEMBERED)
def matches(glob: str, name: str) -> bool:
    """Whether a glob holds the whole of a name."""
    steps = _steps(glob)
    if sum(step in {_STAR, _DEEP, _SPAN} for step in steps) <= _FEW_WILDCARDS:
        return _pattern(glob).fullmatch(name) is not None
    return _follow(steps, name)


@lru_cache(maxsize=_REMEMBERED)
def _pattern(glob: str) -> re.Pattern[str]:
    pattern = re.escape(glob).replace(r"\?", "[^/]")
    pattern = pattern.replace(r"\*\*/", "(?:[^/]+/)*").replace(r"\*\*", ".+").replace(r"\*", "[^/]*")
    return re.compile(pattern)


@lru_cache(maxsize=_REMEMBERED)
def _steps(glob: str) -> tuple[str, ...]:
    """The glob as a row of states, each one character or one of the words above."""
    steps: list[str] = []
    for number, spanned in enumerate(glob.split("**/")):
        steps += [_SPAN, _INSIDE] if number else []
        for deeper, part in enumerate(spanned.split("**")):
            steps += [_DEEP] if deeper else []
            steps += [{"*": _STAR, "?": _ONE}.get(character, character) for character in part]
    return tuple(steps)


def _follow(steps: tuple[str, ...], name: str) -> bool:
    """Where one can stand in the row after each character; at the end, whether behind the last state."""
    standing = _with_skips(steps, {0})
    for character in name:
        standing = _with_skips(steps, {after for at in standing for after in _after(steps, at, character)})
    return len(steps) in standing


def _with_skips(steps: tuple[str, ...], standing: set[int]) -> set[int]:
    """Those too that are reached because a wildcard may stand for nothing."""
    waiting = list(standing)
    while waiting:
        at = waiting.pop()
        step = steps[at] if at < len(steps) else ""
        after = {_STAR: at + 1, _SPAN: at + 2}.get(step)
        if after is not None and after not in standing:
            standing.add(after)
            waiting.append(after)
    return standing


def _after(steps: tuple[str, ...], at: int, character: str) -> tuple[int, ...]:
    """The states to which a character leads from one."""
    if at == len(steps):
        return ()
    step = steps[at]
    if step == _DEEP:
        return at, at + 1
    if character == "/":
        return {_INSIDE: (at - 1,), "/": (at + 1,)}.get(step, ())
    if step in {_STAR, _INSIDE}:
        return (at,)
    return (at + 1,) if step in {_ONE, _SPAN, character} else ()
