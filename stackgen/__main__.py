"""`stackgen`, and `python -m stackgen`."""

from __future__ import annotations

import click

from stackgen import __version__


@click.group()
@click.version_option(__version__)
def main() -> None:
    """A team's own private container registry in two commands."""


if __name__ == "__main__":
    main()
