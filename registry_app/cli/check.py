"""`registry check`."""

from __future__ import annotations

from itertools import chain

import click

from registry_app.cli.configured import configuration_argument, settings_or_exit
from registry_app.cli.output import tell


@click.command(short_help="Name what is missing, or what upstream could not hold.")
@click.option("--upstream", is_flag=True, help="Name what registry:2 and registry:3 could not hold or might lose.")
@configuration_argument
def command(config: str | None, upstream: bool) -> None:  # noqa: FBT001 - click hands flags over
    """Look through the tree, while the registry serves or at rest; nothing is changed.

    Without a flag: files of another owner and symbolic links, tags whose manifest is missing, and manifests that refer
    to what is missing. With --upstream: what to know before registry:2 or registry:3 gets the volume. Exit code 1 if
    there is anything to tell.

    \b
    registry check --upstream /etc/docker/registry/config.yml
    """
    from registry_app.cli.opened import storage_or_exit
    from registry_app.storage.inspection import find_foreign, find_gaps
    from registry_app.storage.survey import survey

    found = 0
    with storage_or_exit(settings_or_exit(config)) as storage:
        findings = find_foreign(storage) if upstream else chain(survey(storage.layout), find_gaps(storage))
        for finding in findings:
            tell(str(finding))
            found += 1
    if not found:
        tell("registry:2 and registry:3 can hold all of it" if upstream else "nothing is missing")
    raise SystemExit(1 if found else 0)
