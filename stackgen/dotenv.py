r"""The part of `.env` that means the same to Docker Compose and to us; the rest is refused.

Compose reads `.env` with compose-go's dotenv package: an unquoted value ends at ` #`, `$` starts an interpolation
unless it is doubled, single quotes are literal but for `\'`, double quotes know escapes. Interpolations, inherited
names (`NAME` alone) and `NAME: value` are legal there and refused here: a value must not depend on who reads it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry_app.plain_text import named

if TYPE_CHECKING:
    from collections.abc import Iterator

# White space within a line as compose-go's parser sees it, and what Go's unicode.IsSpace trims at the end of a value.
_BLANK = " \t\v\f\r\x85\xa0"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,=\-\[\]]*")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", "$": "$", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_UNESCAPES = {"\\": "\\\\", '"': '\\"', "$": "\\$", "\r": "\\r", "\n": "\\n"}


@dataclass(frozen=True, slots=True)
class Assignment:
    """`NAME=value` on line `line` (the first one is 1) of a `.env` file."""

    name: str
    value: str
    line: int


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a setting or a line can't be used, where it stands, and the way out. `line` 0 means: not in the file."""

    line: int
    name: str
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class ParsedEnv:
    """What a `.env` says, and each line of it that can't be used."""

    assignments: tuple[Assignment, ...]
    problems: tuple[Problem, ...]

    def values(self) -> dict[str, str]:
        """Name to value."""
        return {one.name: one.value for one in self.assignments}

    def line_of(self, name: str) -> int:
        """The line that sets a name; 0 when none does."""
        return next((one.line for one in self.assignments if one.name == name), 0)


class _Refused(Exception):  # noqa: N818  (never leaves this module)
    def __init__(self, reason: str, remedy: str) -> None:
        self.reason, self.remedy = reason, remedy
        super().__init__(reason)


def parse_dotenv(text: str) -> ParsedEnv:
    """Every assignment and every problem of a `.env` text; never raises."""
    assignments: dict[str, Assignment] = {}
    problems: list[Problem] = []
    for line, statement in _statements(text.removeprefix("\ufeff")):
        name = _name_of(statement)
        try:
            value = _parse_value(_after_name(statement))
        except _Refused as refused:
            problems.append(Problem(line, named(name), refused.reason, refused.remedy))
            continue
        if name in assignments:
            reason = f"is already set in line {assignments[name].line}"
            problems.append(Problem(line, named(name), reason, "keep one of the two lines"))
        else:
            assignments[name] = Assignment(name, value, line)
    return ParsedEnv(tuple(assignments.values()), tuple(problems))


def quote(value: str) -> str:
    """How to write a value after `NAME=`, so that Compose and `parse_dotenv` read it back unchanged.

    Raises ValueError for a NUL, which no environment can hold.
    """
    if "\0" in value:
        raise ValueError("a value can't hold a NUL character")
    if _PLAIN.fullmatch(value):
        return value
    if "'" not in value and not value.endswith("\\") and "\r" not in value:
        return f"'{value}'"
    return '"' + "".join(_UNESCAPES.get(char, char) for char in value) + '"'


def set_value(text: str, name: str, value: str) -> str:
    """The same `.env` text with one name set: in its place, or at the end; every other line stays as it is.

    A file of lines that end as on Windows keeps them so.
    """
    end = "\r" if "\r\n" in text else ""
    line = f"{name}={quote(value)}{end}"
    for number, statement in _statements(text):
        if _name_of(statement) == name:
            lines = text.split("\n")
            height = statement.count("\n") + 1
            return "\n".join([*lines[: number - 1], line, *lines[number - 1 + height :]])
    return text + ("" if not text or text.endswith("\n") else f"{end}\n") + line + "\n"


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """(line number, text) of each assignment; a quoted value may go over several lines."""
    lines = text.split("\n")
    number = 0
    while number < len(lines):
        first, statement = number, lines[number]
        number += 1
        if not statement.strip() or statement.lstrip().startswith("#"):
            continue
        while _is_open(statement) and number < len(lines):
            statement += "\n" + lines[number]
            number += 1
        yield first + 1, statement


def _is_open(statement: str) -> bool:
    """Whether a quoted value still misses its closing quote."""
    try:
        value = _after_name(statement)
    except _Refused:
        return False
    return value[:1] in ("'", '"') and _closing_quote(value) is None


def _closing_quote(value: str) -> int | None:
    """Where a value that starts with a quote ends; an escaped quote is no end."""
    escaped = False
    for index, char in enumerate(value[1:], start=1):
        if char == value[0] and not escaped:
            return index
        escaped = char == "\\" and not escaped
    return None


def _name_of(statement: str) -> str:
    text = statement.lstrip()
    if re.match(r"export\s", text):
        text = text[6:].lstrip()
    match = _NAME.match(text)
    return match.group() if match else text.split("=", 1)[0].split("\n", 1)[0].strip()


def _after_name(statement: str) -> str:
    """The text behind `NAME=`, blanks trimmed."""
    text = re.sub(r"^\s*(export\s+)?", "", statement)
    match = _NAME.match(text)
    rest = text[match.end() :].lstrip(_BLANK) if match else ""
    if not match:
        raise _Refused("is no name of a variable", "write NAME=value, with letters, digits and _ in the name")
    if not rest.startswith("="):
        raise _Refused("has no value", f"write {named(match.group())}=value, or put # before the line")
    return rest[1:].lstrip(_BLANK)


def _parse_value(value: str) -> str:
    if "\0" in value:
        raise _Refused("holds a NUL character", "remove it")
    if value[:1] not in ("'", '"'):
        return _undouble_dollars(value.split(" #", 1)[0].rstrip())
    end = _closing_quote(value)
    if end is None:
        raise _Refused(f"opens a {value[0]} that is never closed", f"close the value with {value[0]}")
    rest = value[end + 1 :].strip()
    if rest and not rest.startswith("#"):
        raise _Refused(
            "has text behind its closing quote", r"quote the whole value; a quote inside is written \' or \""
        )
    inner = value[1:end]
    return inner.replace("\\'", "'") if value[0] == "'" else _unescape(inner)


def _unescape(inner: str) -> str:
    r"""A double-quoted value: first `\"` becomes `"`, then the escapes of a shell are read, as compose-go does."""
    out: list[str] = []
    index = 0
    while index < len(inner):
        pair = inner[index : index + 2]
        if pair[:1] == "\\" and pair[1:] == "0":
            raise _Refused(r"holds an octal escape (\0…)", "write the character itself, in single quotes")
        if pair[:1] == "\\" and pair[1:] == '"':
            out.append('"')
        elif pair[:1] == "\\" and pair[1:] in _ESCAPES:
            out.append("$$" if pair[1:] == "$" else _ESCAPES[pair[1:]])
        else:
            out.append(pair[:1])
            index += 1
            continue
        index += 2
    return _undouble_dollars("".join(out))


def _undouble_dollars(value: str) -> str:
    """`$$` is a dollar sign; a single one would be an interpolation of Compose's."""
    if "$" in value.replace("$$", ""):
        raise _Refused(
            "holds a $ that Compose would take for the start of a variable",
            "write the value in single quotes, or double the $",
        )
    return value.replace("$$", "$")
