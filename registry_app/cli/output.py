"""What commands print while they hold the store, so that lost output is not taken for a fault of the store."""

from __future__ import annotations

import click

from registry_app.entry import FAILED, READER_GONE


def tell(text: str) -> None:
    """Prints a line; ends the command where that fails: quietly if the reader has left."""
    try:
        click.echo(text)
    except BrokenPipeError:
        raise SystemExit(READER_GONE) from None
    except OSError as error:
        click.echo(f"error: the output can't be written: {error.strerror}", err=True)
        raise SystemExit(FAILED) from None
