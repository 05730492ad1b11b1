"""Room on the disk."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from registry_app.errors import ErrorCode, RegistryError

if TYPE_CHECKING:
    from pathlib import Path


# What a push of an image with many layers makes at most, and some more.
_SPARE_FILES = 1000


class Space:
    """Room on the store's file system, less a reserve that keeps deletes and collections working."""

    def __init__(self, root: Path, *, reserve_bytes: int) -> None:
        self._root = root
        self.reserve_bytes = reserve_bytes

    @property
    def free_bytes(self) -> int:
        """What the file system still gives to this user."""
        found = os.statvfs(self._root)
        return found.f_bavail * found.f_frsize

    @property
    def total_bytes(self) -> int:
        """Size of the file system."""
        found = os.statvfs(self._root)
        return found.f_blocks * found.f_frsize

    @property
    def is_short(self) -> bool:
        """Whether pushes are refused."""
        return self.why_short() is not None

    def why_short(self, incoming: int = 0) -> str | None:
        """What is missing, if this many bytes more would eat into the reserve, or there is no room for more files."""
        found = os.statvfs(self._root)
        free = found.f_bavail * found.f_frsize
        if free - incoming < self.reserve_bytes:
            return f"{free} bytes free, {self.reserve_bytes} kept in reserve"
        # A file system that makes inodes as it needs them tells of none at all.
        spare = min(_SPARE_FILES, found.f_files // 20) if self.reserve_bytes else 0
        if found.f_favail < spare:
            return f"{found.f_favail} of {found.f_files} inodes free, {spare} kept in reserve: too many small files"
        return None

    def require_room(self, incoming: int = 0) -> None:
        """Raises STORAGE_FULL if this many bytes more would eat into the reserve."""
        if self.why_short(incoming) is not None:
            message = "the registry's disk is full: delete images and collect garbage, or enlarge it; pulls go on"
            raise RegistryError(ErrorCode.STORAGE_FULL, message=message)
