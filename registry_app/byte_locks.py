"""Locks on single bytes of an open file: between threads and processes, and gone with the file's last descriptor.

Linux's locks of an open file description (fcntl_locking(2)), on 64-bit Linux.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct

_BUSY = frozenset({errno.EAGAIN, errno.EACCES})


def try_lock(descriptor: int, kind: int, place: int) -> bool:
    """Takes a lock (`fcntl.F_RDLCK` or `F_WRLCK`) on the byte at `place`, if nobody holds one that excludes it."""
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _flock(kind, place))
    except OSError as error:
        if error.errno in _BUSY:
            return False
        raise
    return True


def wait_for_lock(descriptor: int, kind: int, place: int) -> None:
    """Takes a lock on the byte at `place` as soon as nobody holds one that excludes it."""
    fcntl.fcntl(descriptor, fcntl.F_OFD_SETLKW, _flock(kind, place))


def unlock(descriptor: int, place: int) -> None:
    """Gives the lock on the byte at `place` up."""
    fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _flock(fcntl.F_UNLCK, place))


def _flock(kind: int, place: int) -> bytes:
    # struct flock: type, whence, start, length, process (0 for this kind of lock)
    return struct.pack("@hhqqi4x", kind, os.SEEK_SET, place, 1, 0)
