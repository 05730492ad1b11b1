"""The store that a command works on."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from registry_app.errors import RegistryError
from registry_app.storage import Storage, open_storage
from registry_app.storage.failures import is_full
from registry_app.storage.layout import Layout
from registry_app.storage.rights import why_barred

if TYPE_CHECKING:
    from collections.abc import Iterator

    from registry_app.settings import RegistrySettings


@contextmanager
def storage_or_exit(settings: RegistrySettings) -> Iterator[Storage]:
    """The configured store; what goes wrong with it in the block ends the command with a plain message.

    Root acts as the user that serves the store, who could not use what root makes.
    """
    root = settings.storage.root
    try:
        with acting_as_owner(root):
            yield open_storage(root, reserve_bytes=settings.storage.reserve)
    except RegistryError as error:
        click.echo(f"error: {error.message}", err=True)
        raise SystemExit(1) from None
    except OSError as error:
        place = Path(error.filename or root)
        click.echo(f"error: {place}: {error.strerror}", err=True)
        click.echo(f"hint: {_hint(error, place)}", err=True)
        raise SystemExit(1) from None


def _hint(error: OSError, place: Path) -> str:
    if error.errno == errno.EROFS:
        return "mount the disk writable again; `dmesg` tells why it is not"
    if is_full(error):
        return "make room on this disk: `registry trash empty --all` does, `registry garbage-collect --no-trash` may"
    why = why_barred(place) if isinstance(error, PermissionError) else None
    return why or "run it on the host that has the storage"


@contextmanager
def acting_as_owner(root: Path) -> Iterator[None]:
    """Takes the rights of whoever serves the store, or will, where root asks; ends the command where it may not."""
    if not root.is_dir():
        click.echo(f"error: there is no storage folder {root}", err=True)
        raise SystemExit(1)
    owner = _owner(root)
    if os.geteuid() != 0 or owner.st_uid == 0:
        yield
        return
    group = os.getegid()
    try:
        os.setegid(owner.st_gid)
        os.seteuid(owner.st_uid)
    except PermissionError:
        click.echo(
            f"error: the store of {root} is served by {owner.st_uid}:{owner.st_gid}: run this as that user", err=True
        )
        raise SystemExit(1) from None
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)


def _owner(root: Path) -> os.stat_result:
    try:
        return Layout(root).locks.stat()
    except OSError:  # nobody served it before: whose folder it is will
        return root.stat()
