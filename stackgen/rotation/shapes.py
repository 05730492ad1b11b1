"""What a file of our own must hold before any of it is believed: disks fail, and people edit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import UnionType

LAST_MOMENT = 253_402_300_800
"""Seconds since the epoch: the year 10000."""


def read_shape(entry: object, shape: Mapping[str, type | UnionType]) -> dict[str, Any]:
    """The entry, if it maps exactly these names to values of these types. Raises ValueError with what is wrong."""
    if not isinstance(entry, dict):
        raise ValueError(f"a {type(entry).__name__} stands where a mapping is due")  # noqa: TRY004 - of the file, not ours
    if unlike := sorted(set(shape) ^ set(entry)):
        raise ValueError(f"{', '.join(map(repr, unlike))} is missing or not known")
    for name, kind in shape.items():
        if not isinstance(entry[name], kind) or (isinstance(entry[name], bool) and kind is not bool):
            raise ValueError(f"{name!r} is a {type(entry[name]).__name__}")
    return entry


def check_moment(moment: float | None) -> float | None:
    """The moment, if it is one of this age or none at all. Raises ValueError."""
    if moment is not None and not 0 <= moment < LAST_MOMENT:
        raise ValueError("a time is out of range")
    return moment


def check_path(path: str) -> str:
    """The path, if there can be such a one. Raises ValueError."""
    if not path or "\0" in path or not path.isprintable():
        raise ValueError("a path is none")
    return path
