"""Files of a stack that hold secrets: they appear whole, with mode and group, or not at all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from stackgen.drafts import drafting
from stackgen.ownership import give_to_group, give_to_owner

if TYPE_CHECKING:
    from pathlib import Path

SHARED, PRIVATE, PUBLIC = 0o640, 0o600, 0o644
"""For the containers' group; for the operator alone; for everyone."""


def put_file(path: Path, content: bytes, *, mode: int, gid: int | None = None) -> None:
    """Replaces a file, or makes it, in one step that a power cut can't halve; `gid` is given the file, where set."""
    draft = path.with_name(f".{path.name}.tmp")
    draft.unlink(missing_ok=True)
    with drafting(draft, target=path):
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode & PRIVATE)
        with os.fdopen(descriptor, "wb") as file:
            give_to_owner(draft)
            if gid is not None:
                give_to_group(draft, gid)
            os.fchmod(descriptor, mode)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        draft.replace(path)
    sync_folder(path.parent)


def is_gone(path: Path) -> bool:
    """Whether nothing lies there; what may not be looked at is taken to be there."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def is_lost(path: Path) -> bool:
    """Whether a file is gone, or is empty, as a full disk or a careless `>` leaves it."""
    if is_gone(path):
        return True
    try:
        return path.stat().st_size == 0
    except OSError:
        return False


def ensure_folder(path: Path, *, mode: int, gid: int | None = None) -> None:
    """Makes a folder where there is none; leaves one that is there as it is."""
    if not path.exists():
        with drafting(path):
            path.mkdir(parents=True)
        give_to_owner(path)
        if gid is not None:
            give_to_group(path, gid)
        path.chmod(mode)


def sync_folder(path: Path) -> None:
    """Makes renames in a folder survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
