"""Text of files, users and strangers as it may be shown: nothing that a terminal obeys, no password, no flood."""

from __future__ import annotations

import re

LONGEST_VALUE, LONGEST_LINE = 60, 2000
"""Characters: of a name or value that is quoted, and of a line of a message."""
# Whatever stands between the scheme and the last @ before a path; a quote ends a text in JSON.
_USERINFO = re.compile(r"(?<=://)[^\s/\"]*@")
# A whole value with a user in it, however it is misspelt; a digest's @ is none.
_LOGIN = re.compile(r"((?:[A-Za-z][\w+.-]*:)?//)?(.*)@(?!sha256:)(.*)", re.DOTALL)

# Behind the colon of an address stands a port, else perhaps a password whose host was forgotten.
_NO_PORT = re.compile(r"(?<=://)([^\s/:@\[\]]+:)(?!\d{1,5}(?:/|$)).+", re.DOTALL)


def visible(text: str) -> str:
    """The text with all that a terminal obeys, and all that can't be seen, written as in Python's strings."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


def one_line(text: str) -> str:
    """A stranger's text that must not look like several lines of ours."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def conceal(value: str) -> str:
    """A value, without the user and password of an address in it."""
    found = _LOGIN.fullmatch(value)
    if found is not None and (found[1] or ":" in found[2]):
        return f"{found[1] or ''}***@{found[3]}"
    return _NO_PORT.sub(r"\1***", value)


def plain(text: str) -> str:
    """Any text for a terminal: visible, and addresses in it without users and passwords."""
    return _USERINFO.sub("***@", visible(text))


def plain_message(text: str) -> str:
    """A message for a terminal: as `plain`, with lines of a length that can be read."""
    return "\n".join(_shorten(line, LONGEST_LINE) for line in plain(text).split("\n"))


def quoted(value: str) -> str:
    """A value in a message: in quotes, short, and without a password."""
    return repr(_shorten(conceal(value), LONGEST_VALUE))


def named(name: str) -> str:
    """A name in a message: as `quoted`, but for the quotes where it needs none."""
    short = _shorten(conceal(name), LONGEST_VALUE)
    return short if short.isprintable() else repr(short)


def _shorten(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 3] + "..."
