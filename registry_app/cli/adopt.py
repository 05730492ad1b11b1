"""`registry adopt`: gives the tree of a registry that ran as root to the user that this one runs as."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import click

from registry_app.cli.configured import configuration_argument, settings_or_exit
from registry_app.cli.output import tell
from registry_app.storage.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Iterator

# The user and group of our image.
IMAGE_OWNER = "10001:10001"


@click.command(short_help="Give a tree that belongs to root to the service's user.")
@click.option("--owner", default=IMAGE_OWNER, show_default=True, metavar="UID:GID", help="Who it shall belong to.")
@click.option("-d", "--dry-run", is_flag=True, help="Count what would change.")
@configuration_argument
def command(config: str | None, owner: str, dry_run: bool) -> None:  # noqa: FBT001 - click hands flags over
    """Give the tree below the root directory to the service's user; contents and modes stay as they are.

    registry:2 and registry:3 run as root, this service does not. Run this once, as root, with the old registry
    stopped. An interrupted run is simply started again.

    \b
    docker run --rm --user 0 -v registry_data:/var/lib/registry \\
      IMAGE registry adopt
    """
    uid, gid = _parse_owner(owner)
    root = settings_or_exit(config).storage.root
    if not root.is_dir():
        _fail(f"{root} is no folder: mount the volume there")
    strangers = [path for path in entries_below(root) if _owner(path) != (uid, gid)]
    if dry_run:
        tell(f"{len(strangers)} files and folders below {root} would change their owner to {uid}:{gid}")
        return
    for path in strangers:
        try:
            os.chown(path, uid, gid, follow_symlinks=False)
        except PermissionError:
            _fail(f"{path}: not permitted: run this as root (docker run --user 0 …)")
    tell(f"{len(strangers)} files and folders below {root} belong to {uid}:{gid} now")


def entries_below(root: Path) -> Iterator[Path]:
    """The root and all that lies in it, deepest first, so that an interrupted run leaves the root for the next.

    Links are followed where the service follows them, and are themselves among what is found.
    """
    layout = Layout(root)
    places = dict.fromkeys((*layout.detours(), layout.root))
    for top in (place for place in places if place.is_dir()):
        for folder, folders, files, descriptor in os.fwalk(top, topdown=False, follow_symlinks=False):
            linked = (name for name in folders if stat.S_ISLNK(os.lstat(name, dir_fd=descriptor).st_mode))
            yield from (Path(folder, name) for name in (*linked, *files))
            yield Path(folder)


def _owner(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_uid, status.st_gid


def _parse_owner(text: str) -> tuple[int, int]:
    uid, colon, gid = text.partition(":")
    if not (colon and uid.isdecimal() and gid.isdecimal()):
        _fail(f"--owner {text}: write two numbers, as in {IMAGE_OWNER}")
    return int(uid), int(gid)


def _fail(text: str) -> None:
    click.echo(f"adopt: {text}", err=True)
    raise SystemExit(1)
