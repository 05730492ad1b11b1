"""`n` and `last` of a request for a page of a list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry_app.errors import ErrorCode, RegistryError

if TYPE_CHECKING:
    from falcon import Request

# A number of more digits is larger than every list; it is not even turned into one.
MOST_DIGITS = 18


def parse_count(text: str | None, *, default: int, most: int) -> int:
    """How many entries a page may hold. Raises PAGINATION_NUMBER_INVALID; what is too large is cut, not refused."""
    if text is None or not text:
        return default
    if not (text.isascii() and text.isdecimal()):
        raise RegistryError(ErrorCode.PAGINATION_NUMBER_INVALID, n=text[:MOST_DIGITS])
    return most if len(text) > MOST_DIGITS else min(int(text), most)


def page_of(req: Request, *, default: int, most: int) -> tuple[int, str]:
    """The count and the last entry that the client has, empty at the start."""
    return parse_count(req.get_param("n"), default=default, most=most), req.get_param("last") or ""
