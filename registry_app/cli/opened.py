"""The store that a command works on."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from registry_app.errors import RegistryError
from registry_app.storage import Storage, open_storage
from registry_app.storage.rights import why_barred

if TYPE_CHECKING:
    from collections.abc import Iterator

    from registry_app.settings import RegistrySettings


@contextmanager
def storage_or_exit(settings: RegistrySettings) -> Iterator[Storage]:
    """The configured store; what goes wrong with it in the block ends the command with a plain message."""
    root = settings.storage.root
    if not root.is_dir():
        click.echo(f"error: there is no storage folder {root}", err=True)
        raise SystemExit(1)
    try:
        yield open_storage(root, reserve_bytes=settings.storage.reserve)
    except RegistryError as error:
        click.echo(f"error: {error.message}", err=True)
        raise SystemExit(1) from None
    except OSError as error:
        place = Path(error.filename or root)
        why = why_barred(place) if isinstance(error, PermissionError) else None
        click.echo(f"error: {place}: {error.strerror}", err=True)
        click.echo(f"hint: {why or 'run it on the host that has the storage'}", err=True)
        raise SystemExit(1) from None
