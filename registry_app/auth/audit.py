"""The audit log: one JSON line for each write, delete, failed login and administrative act. Never a secret.

Several processes append to one file. Whoever finds it full renames it to `NAME-<time>.log` beside itself; the others
notice before their next line. The oldest beyond `KEPT` go.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FULL = 16 << 20
"""Bytes after which the file is put aside."""
KEPT = 30
LONGEST_FIELD = 512
"""Characters of any one value: a client can choose some of them."""

_LOOKS, _PAUSE = 5, 0.002  # seconds
_log = logging.getLogger("registry.audit")


class AuditLog:
    """Appends lines to a file. A line that can't be written is said in the service's own log and in `problem`."""

    def __init__(
        self, path: Path, *, full: int = FULL, kept: int = KEPT, clock: Callable[[], float] = time.time
    ) -> None:
        self.problem: str | None = None
        self._path = path
        self._full = full
        self._kept = kept
        self._clock = clock
        self._file: int | None = None
        self._lock = threading.Lock()

    def record(self, event: str, *, user: str | None, address: str, result: str, **fields: str | int | None) -> None:
        """Writes one line: what happened (`push`, `delete`, `login`, …), who, from where, how it ended, and on what.

        `user` None is nobody known; other fields that are None are left out. The request goes on when the line can't be
        written.
        """
        moment = datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        given = {name: value for name, value in fields.items() if value is not None}
        entry = {"time": moment, "event": event, "user": user, "address": address, **given, "result": result}
        cut = {name: value[:LONGEST_FIELD] if isinstance(value, str) else value for name, value in entry.items()}
        try:
            with self._lock:
                _append(self._open(), json.dumps(cut).encode() + b"\n")
        except OSError as error:
            if self.problem is None:
                _log.error("%s can't be written: %s", self._path, error.strerror)
            self.problem = f"{self._path}: {error.strerror}"
        else:
            self.problem = None

    def _open(self) -> int:
        """The file that has the name now, put aside first if it is full."""
        if self._file is not None:
            own = os.fstat(self._file)
            if own.st_nlink and own.st_size < self._full and self._is_named(own):
                return self._file
            os.close(self._file)
            self._file = None
        self._path.parent.mkdir(parents=True, exist_ok=True)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            if self._path.exists() and self._path.stat().st_size >= self._full:
                self._put_aside()
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
            _share(self._file, folder)
        finally:
            os.close(folder)
        return self._file

    def _is_named(self, own: os.stat_result) -> bool:
        try:
            named = self._path.stat()
        except FileNotFoundError:
            return False
        return (named.st_ino, named.st_dev) == (own.st_ino, own.st_dev)

    def _put_aside(self) -> None:
        stem, suffix = self._path.stem, self._path.suffix
        moment = datetime.fromtimestamp(self._clock(), UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        self._path.rename(self._path.with_name(f"{stem}-{moment}{suffix}"))
        for old in sorted(self._path.parent.glob(f"{stem}-*{suffix}"))[: -self._kept]:
            old.unlink(missing_ok=True)


def _share(file: int, folder: int) -> None:
    """What root makes belongs to the folder's owner: the service appends to it, too."""
    if os.geteuid() == 0 and os.fstat(file).st_size == 0:
        owner = os.fstat(folder)
        os.fchown(file, owner.st_uid, owner.st_gid)


def _append(file: int, line: bytes) -> None:
    """Writes a line, behind the end of one that a full disk cut short, if need be. OSError where it is cut itself."""
    if _is_cut(file):
        line = b"\n" + line
    if os.write(file, line) < len(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _is_cut(file: int) -> bool:
    """Whether the file ends within a line, and not because another process is about to write the rest of it.

    Where that one has to wait for a processor for long, the worst is an empty line too many.
    """
    for _ in range(_LOOKS):
        size = os.fstat(file).st_size
        if not size or os.pread(file, 1, size - 1) == b"\n":
            return False
        time.sleep(_PAUSE)
    return True
