"""What the operating system refuses, told as an error of the registry without a path in it; the log names the path."""

from __future__ import annotations

import errno
import logging
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from registry_app.errors import ErrorCode, RegistryError
from registry_app.storage.rights import why_barred

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
        raise told(error) from error


def told(error: OSError) -> RegistryError:
    """The registry's error for one of the operating system, which is logged."""
    if is_full(error):
        log.error("storage failed: %s", error)
        return RegistryError(ErrorCode.STORAGE_FULL)
    if error.errno in _READ_ONLY:
        log.error("storage failed: %s", error)
        message = "the file system of the registry is read-only: pulls go on, pushes and deletes do not"
    elif error.errno in _FORBIDDEN:
        log.error("storage failed: %s", _forbidden(error))
        message = "the registry may not use some of its own files: its log and its readiness say which"
    else:
        log.error("storage failed", exc_info=error)
        message = "the disk of the registry reported an error: see the registry's log"
    return RegistryError(ErrorCode.UNAVAILABLE, message=message, headers={"Retry-After": "30"})


def is_full(error: OSError) -> bool:
    """Whether the disk had no room, or its user no more of it."""
    return error.errno in _FULL


def _forbidden(error: OSError) -> str:
    """The path that was refused, with the obstacle and the remedy where the rights of files tell them."""
    named = [Path(name) for name in (error.filename, error.filename2) if isinstance(name, str) and name.startswith("/")]
    whys = filter(None, map(why_barred, named))
    return f"{error}: {next(whys, 'nothing in the rights of files forbids it: see mount options and security modules')}"
