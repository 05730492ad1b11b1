"""`registry trash`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from registry_app.cli.configured import configuration_argument, settings_or_exit
from registry_app.cli.output import tell

if TYPE_CHECKING:
    from registry_app.storage import Storage


@click.group(short_help="List, restore or empty what was collected or deleted.")
def command() -> None:
    """What collections and deletions of repositories took away, until its time is over.

    \b
    registry trash list /etc/docker/registry/config.yml
    registry trash restore 20270102T030405.678901Z-collected-1a2b3c4d \\
      /etc/docker/registry/config.yml
    """


@command.command("list")
@configuration_argument
def list_runs(config: str | None) -> None:
    """Name each run, with the number of its files and their bytes."""
    from registry_app.cli.opened import storage_or_exit

    with storage_or_exit(settings_or_exit(config)) as storage:
        for run in storage.trash.runs():
            files, size = storage.trash.extent(run)
            tell(f"{run}  {files} files  {size} bytes")


@command.command("restore")
@click.argument("run")
@configuration_argument
def restore(run: str, config: str | None) -> None:
    """Put back everything that RUN took, where nothing newer lies, and what its images need from later runs.

    What an image lacks then is gone for good, and named.
    """
    from registry_app.administration import recorded
    from registry_app.cli.opened import storage_or_exit
    from registry_app.gc import undelete

    settings = settings_or_exit(config)
    with storage_or_exit(settings) as storage:
        _require(storage, run)
        with recorded(settings.audit_log, "trash-restore", subject=run):
            restored = undelete.restore(storage, run)
    tell(f"restored {restored.files} files")
    for finding in restored.missing:
        tell(str(finding))


@command.command("empty")
@click.argument("run", required=False)
@click.option("--all", "everything", is_flag=True, help="Every run.")
@click.option("--config", "config", type=click.Path(dir_okay=False), help="The registry's configuration.")
def empty(*, run: str | None, everything: bool, config: str | None) -> None:
    """Remove for good what RUN, or with --all every run, took."""
    from registry_app.administration import recorded
    from registry_app.cli.opened import storage_or_exit

    if bool(run) == everything:
        raise click.UsageError("name a run, or say --all")
    settings = settings_or_exit(config)
    with storage_or_exit(settings) as storage:
        for name in storage.trash.runs() if everything else [_require(storage, run or "")]:
            with recorded(settings.audit_log, "trash-empty", subject=name):
                storage.trash.empty(name)
            tell(f"removed {name}")


def _require(storage: Storage, run: str) -> str:
    if run not in storage.trash.runs():
        click.echo(f"error: there is no run {run} in the trash; `registry trash list` names them", err=True)
        raise SystemExit(1)
    return run
