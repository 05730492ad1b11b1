"""Whether this process may use its own files, and what to type where it may not."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PASS = os.X_OK
READ = os.R_OK
CHANGE = os.R_OK | os.W_OK
ENTER = os.R_OK | os.W_OK | os.X_OK


def why_barred(path: Path) -> str | None:
    """Why this process can't use a file or folder of its store, and what to do; None if it can.

    A path that does not exist is judged by the folder that it would be made in. The topmost obstacle is named.
    """
    places = [place for place in (*reversed(path.parents), path) if os.path.lexists(place)]
    for place in places[:-1]:
        if not may(place, PASS):
            return obstacle(place)
    return None if may(places[-1], ENTER if places[-1].is_dir() else CHANGE) else obstacle(places[-1])


def may(place: Path | str, wanted: int) -> bool:
    """Whether the rights of a file or folder let this process do so; a read-only disk is no matter of rights."""
    if os.access(place, wanted, effective_ids=True):
        return True
    try:
        return bool(os.statvfs(place).f_flag & os.ST_RDONLY) and os.access(place, wanted & ~os.W_OK, effective_ids=True)
    except OSError:
        return False


def why_unreadable(path: Path) -> str | None:
    """Why this process can't read a file that somebody else keeps for it, and what to do; None if it can."""
    try:
        with path.open("rb"):
            return None
    except PermissionError as error:
        places = [*reversed(path.absolute().parents), path.absolute()]
        barred = (place for place in places if not may(place, PASS if place.is_dir() else READ))
        place = next(barred, None)
        if place is None:
            return error.strerror
        return f"{error.strerror}: {_belongs(place)}: run `chgrp {os.getegid()}` and `chmod g+rX` on it, as root"
    except OSError as error:
        return error.strerror


def obstacle(place: Path) -> str:
    """Whose a file or folder is, who we are, and the command that mends it."""
    try:
        text, owner = _belongs(place), place.stat().st_uid
    except OSError as error:
        return f"{place}: {error.strerror}"
    if owner == os.geteuid():
        return f"{text}: run `chmod u+rwX {place}`"
    return f"{text}: run `registry adopt --owner {os.geteuid()}:{os.getegid()}` as root, once"


def _belongs(place: Path) -> str:
    found = place.stat()
    mode = f"{stat.S_IMODE(found.st_mode):04o}"
    ours = f"{os.geteuid()}:{os.getegid()}"
    return f"{place} belongs to {found.st_uid}:{found.st_gid} with the mode {mode}, and the service runs as {ours}"
