"""`registry`, and `python -m registry_app`."""

from __future__ import annotations

import click

from registry_app import __version__


@click.group()
@click.version_option(__version__)
def main() -> None:
    """OCI Distribution registry."""


if __name__ == "__main__":
    main()
