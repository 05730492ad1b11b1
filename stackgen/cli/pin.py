"""`stackgen pin`."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

import click

from registry_app.administration import recorded
from stackgen.cli.options import examples, stack_argument
from stackgen.cli.registries import reach_options
from stackgen.cli.terminal import command_line, say
from stackgen.distribution.addresses import is_loopback, parse_registry
from stackgen.distribution.reach import Reach
from stackgen.errors import CHANGES_PENDING, StackgenError
from stackgen.pins import Pin, Resolve, find_pins, format_lock, images_of
from stackgen.profiles import load_profiles
from stackgen.shell import compose_line, stackgen_line
from stackgen.stack import load_pins
from stackgen.writing import exclusive, replace_text

if TYPE_CHECKING:
    from pathlib import Path

    from registry_app.oci.digests import Digest
    from stackgen.distribution.addresses import Address
    from stackgen.distribution.client import RegistryClient
    from stackgen.folder import StackFolder


@click.command(
    epilog=examples(
        "stackgen pin && stackgen render",
        "stackgen pin --check                      # exit code 2: something is behind",
        "stackgen pin --mirror mirror.example.com  # in place of Docker Hub",
    )
)
@stack_argument
@click.option("--check", is_flag=True, help="Only say what is behind.")
@click.option("--image", "only", multiple=True, metavar="NAME", help="This image alone; repeatable.")
@click.option("--mirror", metavar="HOST", help="Ask this registry for the images of Docker Hub.")
@reach_options
@click.pass_context
def command(
    ctx: click.Context,
    folder: StackFolder,
    only: tuple[str, ...],
    mirror: str | None,
    ca: Path | None,
    *,
    check: bool,
    plain_http: bool,
) -> None:
    """Write the digests of the images' tags into images.lock.json, which render uses.

    Exit code of --check: 0 all as locked, 2 something is behind or not pinned yet.
    """
    images = _chosen(only)
    mirror = parse_registry(mirror) if mirror is not None else None
    with exclusive(folder):
        locked = load_pins(folder)
        pins = find_pins(images, locked, resolve=_resolver(Reach(ca, plain_http)), mirror=mirror)
        _show(pins)
        behind = [pin for pin in pins if pin.behind]
        if check:
            ctx.exit(CHANGES_PENDING if behind else 0)
        kept = {image: digest for image, digest in locked.items() if only}
        done = f"{len(pins)} images, {len(behind)} changed"
        with recorded(folder.audit_log if behind else None, "pin", subject=done):
            replace_text(folder.images_lock, format_lock(kept | {pin.image: pin.found for pin in pins}))
    say(f"{folder.images_lock.name}: {done}")
    if behind:
        command_line(stackgen_line(folder, "render"))
        command_line(compose_line(folder, "up", "-d", "--wait"))


def _chosen(only: tuple[str, ...]) -> tuple[str, ...]:
    images = images_of(load_profiles())
    if unknown := [image for image in only if image not in images]:
        raise StackgenError(f"no image of this stack: {', '.join(unknown)}", hint=f"there are: {', '.join(images)}")
    return only or images


def _resolver(reach: Reach) -> Resolve:
    @cache
    def client(host: str) -> RegistryClient:
        return Reach(reach.ca, reach.plain_http and is_loopback(host)).connect(host, environ=os.environ)

    def resolve(address: Address) -> Digest | None:
        return client(address.host).resolve(address)

    return resolve


def _show(pins: tuple[Pin, ...]) -> None:
    for pin in pins:
        state = "as locked" if not pin.behind else "new" if pin.locked is None else f"was {pin.locked}"
        say(f"{pin.image:40} {pin.found}  {state}")
