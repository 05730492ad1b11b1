"""Which names users may have: one rule for the htpasswd file, the tool and what is kept of failed logins."""

from __future__ import annotations

LONGEST_NAME = 255
"""Bytes."""


def check_user_name(name: str) -> None:
    """Raises ValueError, with the reason, if `name` can't be a user's name in an htpasswd file and in HTTP Basic."""
    if not name or len(name.encode(errors="replace")) > LONGEST_NAME:
        raise ValueError(f"is no user name: it has 1 to {LONGEST_NAME} bytes")
    if ":" in name or name.startswith("#") or name != name.strip() or not name.isprintable():
        raise ValueError("is no user name: it has no colon or control character, no # first, no space around it")
