"""Whose files are: what root makes in somebody's stack stays theirs, and containers reach it by their group."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from stackgen.errors import StackgenError

if TYPE_CHECKING:
    from pathlib import Path


def give_to_owner(path: Path) -> None:
    """What root makes in a folder belongs to the folder's owner, who goes on without root afterwards."""
    if os.geteuid() == 0:
        owner = path.parent.stat().st_uid
        with suppress(PermissionError):  # on a network's disk root may be nobody
            os.chown(path, owner, -1, follow_symlinks=False)  # the owner may have put a link in its place


def give_to_group(path: Path, gid: int) -> None:
    """Lets the containers' group in."""
    if path.stat().st_gid == gid:
        return
    try:
        os.chown(path, -1, gid)
    except PermissionError:
        raise StackgenError(
            f"{path} can't be given to group {gid}: you are not in it",
            hint=f"set SECRETS_GID={os.getgid()} in .env, your own group",
        ) from None
