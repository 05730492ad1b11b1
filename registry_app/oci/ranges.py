"""Byte ranges of pulls (RFC 9110, section 14) and of chunked uploads (OCI Distribution, "Pushing a blob in chunks")."""

from __future__ import annotations

import re
from dataclasses import dataclass

from registry_app.errors import ErrorCode, RegistryError

# containers/storage asks for up to 1,024 pieces of a zstd:chunked layer in one request.
MOST_RANGES = 1024
_RANGE = re.compile(r"([0-9]*)-([0-9]*)")
# More digits than the size of any file has; a number of them is as good as any other that is too large.
_MOST_DIGITS = 19
_CONTENT_RANGE = re.compile(r"(?:bytes[ =])?([0-9]{1,19})-([0-9]{1,19})(?:/(?:[0-9]{1,19}|\*))?")


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes `start` to `end`, both included."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """Number of bytes."""
        return self.end - self.start + 1


def parse_byte_ranges(header: str | None, size: int) -> tuple[ByteRange, ...] | None:
    """The satisfiable ranges of a `Range` header, in the order asked for; None if the whole content is to be sent.

    A header that is not understood is ignored (RFC 9110, 14.2), and so is one that asks for more bytes than there
    are. Raises RANGE_INVALID, with Content-Range, if no range can be satisfied.
    """
    unit, equals, specs = (header or "").partition("=")
    if not equals or unit.strip().lower() != "bytes":
        return None
    texts = [spec.strip(" \t") for spec in specs.split(",") if spec.strip(" \t")]
    if not texts or len(texts) > MOST_RANGES:
        return None
    ranges = []
    for text in texts:
        match = _RANGE.fullmatch(text)
        if not match or text == "-" or _backwards(*match.groups()):
            return None
        ranges.append(_within(*match.groups(), size=size))
    satisfiable = tuple(one for one in ranges if one)
    if not satisfiable:
        raise RegistryError(ErrorCode.RANGE_INVALID, headers={"Content-Range": f"bytes */{size}"})
    return satisfiable if sum(one.length for one in satisfiable) <= size else None


def _backwards(first: str, last: str) -> bool:
    return bool(first and last) and _number(last) < _number(first)


def _number(digits: str) -> int:
    digits = digits.lstrip("0") or "0"
    return int(digits) if len(digits) <= _MOST_DIGITS else 10**_MOST_DIGITS


def _within(first: str, last: str, *, size: int) -> ByteRange | None:
    """The part of `first-last` (or of the suffix `-last`) that exists."""
    if not first:
        start, end = max(size - _number(last), 0), size - 1
    else:
        start, end = _number(first), min(_number(last), size - 1) if last else size - 1
    return ByteRange(start, end) if start <= end else None


def parse_content_range(header: str) -> ByteRange:
    """The place of a chunk, from `start-end` (the form of RFC 9110 is taken too); raises RANGE_INVALID."""
    match = _CONTENT_RANGE.fullmatch(header.strip(" \t"))
    if not match or _backwards(*match.groups()):
        message = "Content-Range must be <first byte>-<last byte>"
        raise RegistryError(ErrorCode.RANGE_INVALID, message=message)
    return ByteRange(int(match[1]), int(match[2]))
