"""Files on their way: a draft goes again where its writing fails, and the error says which file it was, and why."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING

from stackgen.errors import StackgenError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@contextlib.contextmanager
def drafting(draft: Path, *, target: Path | None = None) -> Iterator[None]:
    """Within it `draft` is made, which will become `target`.

    Raises StackgenError for a full disk, else OSError with a file's name.
    """
    try:
        yield
    except OSError as error:
        file = target or draft
        full = no_room(error, file) if error.errno in _FULL else None
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        if full is not None:
            raise full from None
        if error.filename is None:  # the kernel names no file when a write fails, as it does when an open fails
            error.filename = str(file)
        raise


def no_room(error: OSError, file: Path) -> StackgenError:
    """The error for a file that found no room, with the room that there is at this moment."""
    disk = os.statvfs(next(one for one in (file, *file.absolute().parents) if one.exists()))
    if error.errno == errno.EDQUOT:
        why = "your disk quota is used up"
    elif disk.f_files and not disk.f_favail:
        why = f"no room for another file: all {disk.f_files} inodes are in use"
    else:
        free, total = (blocks * disk.f_frsize / 2**20 for blocks in (disk.f_bavail, disk.f_blocks))
        why = f"no space left: {free:.1f} of {total:.0f} MiB are free there"
    return StackgenError(f"{file}: {why}", hint="make room, then run the command again; no file is half-written")
