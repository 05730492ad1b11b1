"""`registry garbage-collect`."""

from __future__ import annotations

from functools import partial

import click

from registry_app.cli.configured import AMOUNT, configuration_argument, settings_or_exit
from registry_app.cli.output import tell

# What Go's strconv.ParseBool takes, and so upstream's command line.
_TRUE, _FALSE = {"1", "t", "T", "true", "True", "TRUE"}, {"0", "f", "F", "false", "False", "FALSE"}


class CommandOfGo(click.Command):
    """Takes values of flags as upstream's command line does: `--dry-run=true`, `-m=false`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The usual, after flags with a value were put as flags without, or left out."""
        flags = {name: one for one in self.params if isinstance(one, click.Option) and one.is_flag for name in one.opts}
        plain: list[str] = []
        for argument in args:
            name, given, value = argument.partition("=")
            if name not in flags or not given:
                plain.append(argument)
            elif value in _TRUE:
                plain.append(name)
            elif value in _FALSE:
                plain = [earlier for earlier in plain if flags.get(earlier) is not flags[name]]
            else:
                raise click.UsageError(f"{name} takes true or false, not {value!r}", ctx)
        return super().parse_args(ctx, plain)


@click.command(cls=CommandOfGo, short_help="Remove what no image needs, also while the registry serves.")
@click.option("-d", "--dry-run", is_flag=True, help="Only tell what would be removed, and why the rest stays.")
@click.option("-m", "--delete-untagged", is_flag=True, help="Remove manifests that no tag, index or subject keeps.")
@click.option("-q", "--quiet", is_flag=True, help="Only tell the sum, and now and then how far it is.")
@click.option("--grace", type=AMOUNT, metavar="SECONDS", help="Keep what was promised to a client this recently.")
@click.option("--no-trash", is_flag=True, help="Free the room at once: nothing can be had back.")
@configuration_argument
def command(
    *, dry_run: bool, delete_untagged: bool, quiet: bool, grace: float | None, no_trash: bool, config: str | None
) -> None:
    """Remove blobs, layer links, abandoned uploads and, with -m, manifests that nothing needs any more.

    Pushes and pulls may go on. What is removed lies in the trash for the time of `stackgen.gc.trash`
    (see `registry trash`).

    \b
    registry garbage-collect --dry-run /etc/docker/registry/config.yml
    registry garbage-collect -m /etc/docker/registry/config.yml
    """
    from registry_app.administration import recorded
    from registry_app.cli.opened import storage_or_exit
    from registry_app.gc.collection import collect, plan_collection
    from registry_app.gc.observers import NowAndThen, Progress, Telling
    from registry_app.maintenance import policy_of

    settings = settings_or_exit(config)
    policy = policy_of(settings, untagged=delete_untagged or None, grace=grace, trash=0 if no_trash else None)
    observer = Progress(NowAndThen(partial(click.echo, err=True))) if quiet else Telling(tell)
    with storage_or_exit(settings) as storage:
        if dry_run:
            report = plan_collection(storage, policy, observer)
        else:
            flags = {"--delete-untagged": delete_untagged, "--no-trash": no_trash}
            subject = " ".join(flag for flag, given in flags.items() if given) or "unneeded blobs"
            with recorded(settings.audit_log, "gc", subject=subject):
                report = collect(storage, policy, observer)
        restorable = report.run in storage.trash.runs()  # on a full disk nothing is
    did = "would remove" if dry_run else "removed"
    tell(
        f"{did} {report.removed_blobs} blobs, {report.removed_links} layer links, {report.removed_manifests} manifests "
        f"and {report.removed_uploads} uploads: {report.freed_bytes} bytes in {report.finished - report.started:.1f} s"
        f"; {report.kept_for_now} kept for now"
    )
    if report.emptied_runs or report.removed_drafts:
        tell(f"{did} for good {report.emptied_runs} runs in the trash and {report.removed_drafts} temporary files")
    if restorable:
        tell(f"in the trash as {report.run}: registry trash restore {report.run} {settings.source}")
