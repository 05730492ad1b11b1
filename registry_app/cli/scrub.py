"""`registry scrub`."""

from __future__ import annotations

from functools import partial

import click

from registry_app.cli.configured import AMOUNT, configuration_argument, settings_or_exit
from registry_app.cli.output import tell


@click.command(short_help="Read every blob again and put damaged ones away.")
@click.option("--rate", type=AMOUNT, metavar="MIB", help="Read at most so many MiB a second; 0 for no bound.")
@configuration_argument
def command(rate: float | None, config: str | None) -> None:
    """Check that every blob still has its digest, while the registry serves.

    A damaged blob is put into the quarantine and never served again. The images that need it are named, by each
    scrub until they are whole: push one of them again, and all are. Exit code 1 if there is damage.

    \b
    registry scrub /etc/docker/registry/config.yml
    """
    from registry_app.administration import recorded
    from registry_app.cli.opened import storage_or_exit
    from registry_app.gc.observers import NowAndThen
    from registry_app.gc.scrub import scrub

    settings = settings_or_exit(config)
    bytes_a_second = settings.scrub.rate if rate is None else int(rate * 1024 * 1024)
    with storage_or_exit(settings) as storage, recorded(settings.audit_log, "scrub", subject="all blobs"):
        progress = NowAndThen(partial(click.echo, err=True))
        report = scrub(storage, rate=bytes_a_second or None, progress=progress)
    tell(f"checked {report.checked_blobs} blobs, {report.checked_bytes} bytes: {len(report.damaged)} damaged")
    for digest in report.damaged:
        tell(f"damaged: {digest}")
    for digest in report.still_damaged:
        tell(f"damaged: {digest} (found and put away earlier)")
    for digest in report.unread:
        tell(f"can't be read: {digest} (see the line about it above)")
    for name in report.affected:
        tell(f"affected: {name} (push it again)")
    raise SystemExit(1 if report.troubles else 0)
