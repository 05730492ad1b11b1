"""Uploads that nobody goes on with, and drafts of writers that were killed."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import shutil
from typing import TYPE_CHECKING

from registry_app.byte_locks import try_lock
from registry_app.errors import ErrorCode, RegistryError
from registry_app.gc.runs import record_run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from registry_app.oci.names import Repository
    from registry_app.storage import Storage

log = logging.getLogger("registry.gc")
_KILLED_LONG_AGO = 3600.0  # seconds
# Who was told that the disk is full has no use for the first half of a layer for a week.
_STALE_WHEN_SHORT = 3600.0  # seconds
_FOREIGN = "it can't be removed: `registry check` says why"
# Not there, a folder, a symbolic link: no request has it open.
_NOTHING_TO_WRITE_TO = (errno.ENOENT, errno.EISDIR, errno.ELOOP)


def uploads_at_rest(storage: Storage, *, age: float) -> Iterator[tuple[Repository, Path, str | None]]:
    """The folder of each upload, and why it stays; None if its last byte came longer ago than `age` (seconds).

    Where room is short, than an hour.
    """
    if storage.space.is_short:
        age = min(age, _STALE_WHEN_SHORT)
    for repository in storage.repositories.with_uploads():
        folder = storage.layout.uploads(repository)
        for name in storage.files.names(folder):
            rest = storage.clock() - _last_write(folder / name)
            young = f"its last byte came {max(rest, 0):.0f} s ago, less than {age:.0f} s" if rest <= age else None
            yield repository, folder / name, young


def purge_uploads(storage: Storage, *, age: float, only_name: bool) -> list[tuple[Repository, str]]:
    """Removes stale uploads, or only names them; which. One process at a time: UNAVAILABLE while another does."""
    with storage.locks.purging() as alone:
        if not alone:
            raise RegistryError(ErrorCode.UNAVAILABLE, message="another process purges uploads")
        begun = storage.clock()
        gone = []
        for repository, folder, why_stays in uploads_at_rest(storage, age=age):
            if why_stays is None:
                if only_name or (reason := remove_upload(folder)) is None:
                    gone.append((repository, folder.name))
                else:
                    log.warning("upload %s of %s stays: %s", folder.name, repository, reason)
        record_run(storage, "purge", {"started": begun, "finished": storage.clock(), "removed_uploads": len(gone)})
    return gone


def remove_upload(folder: Path) -> str | None:
    """Removes an upload; the reason if it stays."""
    try:
        data = os.open(folder / "data", os.O_RDWR | os.O_NOFOLLOW)
    except PermissionError:
        return _FOREIGN
    except OSError as error:
        if error.errno not in _NOTHING_TO_WRITE_TO:
            raise
        return _remove(folder)
    try:
        return _remove(folder) if try_lock(data, fcntl.F_WRLCK, 0) else "a request writes to it at this moment"
    finally:
        os.close(data)


def _remove(folder: Path) -> str | None:
    shutil.rmtree(folder, ignore_errors=True)
    return _FOREIGN if os.path.lexists(folder) else None


def old_drafts(storage: Storage) -> list[Path]:
    """The small files that killed writers did not bring to their place."""
    found = []
    for entry in storage.files.entries(storage.layout.drafts):
        path = storage.layout.drafts / entry.name
        with contextlib.suppress(OSError):
            if storage.clock() - path.stat(follow_symlinks=False).st_mtime > _KILLED_LONG_AGO:
                found.append(path)
    return found


def remove_drafts(drafts: list[Path]) -> int:
    """Removes these; how many."""
    removed = 0
    for path in drafts:
        with contextlib.suppress(OSError):
            path.unlink()
            removed += 1
    return removed


def _last_write(folder: Path) -> float:
    """Seconds since 1970 of the last change of an upload; a folder that is gone was changed just now."""
    times = []
    for path in (folder / "data", folder):
        with contextlib.suppress(OSError):
            times.append(path.stat(follow_symlinks=False).st_mtime)
    return max(times, default=float("inf"))
