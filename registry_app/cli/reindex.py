"""`registry reindex`."""

from __future__ import annotations

import click

from registry_app.cli.configured import configuration_argument, settings_or_exit
from registry_app.cli.output import tell

PATIENCE = 300.0  # seconds


@click.command(short_help="Make the index beside the tree anew, also while the registry serves.")
@configuration_argument
def command(config: str | None) -> None:
    """Forget what the index remembers, and read the whole tree again.

    Changes of the tree, by whomever, show by themselves. This is for when they do not: a file system that was put back
    to an earlier state, or whose times can't be trusted. Lists are right meanwhile, and only slower; every worker
    follows within a second. Exit code 1 if the index could not be written.

    \b
    registry reindex /etc/docker/registry/config.yml
    """
    from registry_app.cli.opened import storage_or_exit
    from registry_app.storage.reconciliation import reconcile

    with storage_or_exit(settings_or_exit(config)) as storage:
        with storage.locks.reconciling(patience=PATIENCE) as alone:
            if not alone:
                click.echo(
                    f"error: the index has been busy for {PATIENCE:.0f} s: is a registry stopped midway?", err=True
                )
                raise SystemExit(1)
            storage.index.forget()
            done = reconcile(storage)
        known, referrers = storage.index.count()
        state = storage.index.state()
    tell(
        f"reindexed {done.repositories} repositories, {done.tags} tags, {known} manifests and {referrers} referrers "
        f"in {done.seconds:.1f} s"
    )
    if state.trouble is not None:
        click.echo(f"error: nothing of it was kept: {state.trouble}", err=True)
        click.echo("hint: lists are read from the tree until the index can be written", err=True)
        raise SystemExit(1)
