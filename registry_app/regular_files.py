"""Reads files that somebody named: whole and bounded, whatever lies under the name. A pipe may stand for a file."""

from __future__ import annotations

import errno
import os
import select
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SMALL = 1024 * 1024
"""Bytes: more than any configuration, certificate with its chain, or password has."""
STORE = 16 * SMALL
"""Bytes: more than a system's store of authorities has."""
PATIENCE = 10.0
"""Seconds in which something must come out of a pipe: it may ask a vault first."""


def read_named(path: Path, *, limit: int = SMALL) -> bytes:
    """What a file or a pipe (`<(command)`, /dev/stdin) holds.

    OSError with the reason in words for a folder, a device, a socket, more than `limit` bytes, and a pipe in which
    nothing comes.
    """
    # Not blocking: to open a pipe that nobody writes into would wait for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        status = os.fstat(descriptor)
        if reason := _why_not(status, limit):
            raise OSError(errno.EINVAL, reason, str(path))
        content = _read_all(descriptor, path, limit=limit)
    finally:
        os.close(descriptor)
    if len(content) > limit:
        raise OSError(errno.EFBIG, _too_large(limit), str(path))
    return content


def _why_not(status: os.stat_result, limit: int) -> str:
    """Why what was opened is not read; empty where it is."""
    if stat.S_ISDIR(status.st_mode):
        return "it is a folder"
    if stat.S_ISREG(status.st_mode):
        return _too_large(limit) if status.st_size > limit else ""
    return "" if stat.S_ISFIFO(status.st_mode) else "it is a device, not a file"


def _too_large(limit: int) -> str:
    return f"it holds more than {limit // SMALL} MiB"


def _read_all(descriptor: int, path: Path, *, limit: int) -> bytes:
    """Everything, or one byte more than the limit."""
    content = b""
    while len(content) <= limit:
        if not select.select([descriptor], [], [], PATIENCE)[0]:
            raise OSError(errno.ETIMEDOUT, f"nothing came out of this pipe for {PATIENCE:.0f} s", str(path))
        try:
            part = os.read(descriptor, limit + 1 - len(content))
        except BlockingIOError:
            continue
        if not part:
            break
        content += part
    return content
