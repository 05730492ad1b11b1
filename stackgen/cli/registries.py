"""Options of the commands that speak to a registry."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from stackgen.distribution.addresses import Address

_Command = TypeVar("_Command", bound="Callable[..., Any]")


def oci_address(text: str) -> Address:
    """`oci://host[:port]/repository[:tag][@digest]` as an address; StackgenError where it is none."""
    from stackgen.distribution.addresses import parse_oci_address  # noqa: PLC0415  (--help needs none of it)

    return parse_oci_address(text)


def reach_options(command: _Command) -> _Command:
    """--ca and --plain-http."""
    ca = click.option("--ca", type=click.Path(path_type=Path), metavar="FILE", help="Trust this CA too (PEM).")
    plain = click.option("--plain-http", is_flag=True, help="No TLS; for a registry on this machine alone.")
    return ca(plain(command))
