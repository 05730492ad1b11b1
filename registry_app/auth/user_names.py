"""Which names users and groups may have: one rule for htpasswd, the access file, the tool and records of failures."""

from __future__ import annotations

LONGEST_NAME = 255
"""Bytes."""
ANYBODY = "anonymous"
"""Stands for callers who do not log in, wherever a name is asked for."""


def check_user_name(name: str) -> None:
    """Raises ValueError, with the reason, if `name` can't be a name in htpasswd, HTTP Basic and the rules of access."""
    if not name or len(name.encode(errors="replace")) > LONGEST_NAME:
        raise ValueError(f"is no user name: it has 1 to {LONGEST_NAME} bytes")
    if not (name[0].isalnum() or name[0] == "_"):
        raise ValueError("is no user name: it begins with a letter, a digit or _")
    if ":" in name or name.endswith(" ") or not name.isprintable():
        raise ValueError("is no user name: it has no colon, no control character and no space at its end")


def check_new_user_name(name: str) -> None:
    """Raises ValueError, with the reason, if nobody should be given `name`; a file may hold it all the same."""
    check_user_name(name)
    if name == ANYBODY:
        raise ValueError("is no user name: it stands for callers who do not log in")
