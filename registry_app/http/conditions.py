"""Conditional requests (RFC 9110 section 13). Pure."""

from __future__ import annotations


def etag_of(digest: str) -> str:
    """The entity tag of content: its quoted digest."""
    return f'"{digest}"'


def is_known(if_none_match: str | None, digest: str) -> bool:
    """Whether a client that sent If-None-Match has this content; tags may be weak, unquoted, or `*`."""
    if if_none_match is None:
        return False
    tags = [tag.strip().removeprefix("W/").strip('"') for tag in if_none_match.split(",")]
    return digest in tags or "*" in tags


def range_holds(if_range: str | None, digest: str) -> bool:
    """Whether the Range of a request counts: it does without If-Range, or with a strong tag of this content."""
    return if_range is None or if_range.strip() == etag_of(digest)
