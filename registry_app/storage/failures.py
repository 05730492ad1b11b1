"""What the operating system refuses, told as an error of the registry without a path in it."""

from __future__ import annotations

import errno
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from registry_app.errors import ErrorCode, RegistryError

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger("registry.storage")

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_READ_ONLY = frozenset({errno.EROFS})
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM})


@contextmanager
def failures_told() -> Iterator[None]:
    """Turns an OSError of the block into STORAGE_FULL or UNAVAILABLE; the log gets the whole story."""
    try:
        yield
    except ConnectionError:
        raise  # the client's, not the disk's
    except OSError as error:
        log.exception("storage failed")
        raise told(error) from error


def told(error: OSError) -> RegistryError:
    """The registry's error for one of the operating system."""
    if error.errno in _FULL:
        return RegistryError(ErrorCode.STORAGE_FULL)
    if error.errno in _READ_ONLY:
        message = "the file system of the registry is read-only: pulls go on, pushes and deletes do not"
    elif error.errno in _FORBIDDEN:
        message = "the registry may not write to its own files: its storage folder must belong to the registry's user"
    else:
        message = "the disk of the registry reported an error: see the registry's log"
    return RegistryError(ErrorCode.UNAVAILABLE, message=message, headers={"Retry-After": "30"})
