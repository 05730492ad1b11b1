"""Room on the disk."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from registry_app.errors import ErrorCode, RegistryError

if TYPE_CHECKING:
    from pathlib import Path


class Space:
    """Free bytes of the store's file system, less a reserve that keeps deletes and collections working."""

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
        return self.free_bytes < self.reserve_bytes

    def require_room(self, incoming: int = 0) -> None:
        """Raises STORAGE_FULL if this many bytes more would eat into the reserve."""
        if self.free_bytes - incoming < self.reserve_bytes:
            message = "the registry's disk is full: delete images and collect garbage, or enlarge it; pulls go on"
            raise RegistryError(ErrorCode.STORAGE_FULL, message=message)
