"""`stackgen gc`."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

import click

from registry_app.administration import recorded
from stackgen import docker
from stackgen.cli.options import examples, stack_argument
from stackgen.env_file import load_settings
from stackgen.errors import StackgenError
from stackgen.projects import find_claim
from stackgen.running import running_services
from stackgen.shell import compose_line, stackgen_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from stackgen.folder import StackFolder
    from stackgen.settings import StackSettings

_EMBEDDED = (sys.executable, "-m", "registry_app", "garbage-collect")
_COLLECT = ("registry", "garbage-collect")
_CONFIG = "/etc/docker/registry/config.yml"


@click.command(epilog=examples("stackgen gc --dry-run mystack", "stackgen gc --delete-untagged mystack"))
@stack_argument
@click.option("-d", "--dry-run", is_flag=True, help="Only tell what would be removed, and why the rest stays.")
@click.option("-m", "--delete-untagged", is_flag=True, help="Remove images that no tag, index or subject keeps, too.")
@click.option("-q", "--quiet", is_flag=True, help="Only tell the sum, and now and then how far it is.")
@click.option("--no-trash", is_flag=True, help="Free the room at once: nothing can be had back.")
def command(*, folder: StackFolder, dry_run: bool, delete_untagged: bool, quiet: bool, no_trash: bool) -> None:
    """Remove what no image needs any more, while the registry serves or at rest.

    The registry does this by itself every day; this is for when the room is needed now.
    """
    flags = {"--dry-run": dry_run, "--delete-untagged": delete_untagged, "--quiet": quiet, "--no-trash": no_trash}
    chosen = [flag for flag, on in flags.items() if on]
    collect = _collection(folder, load_settings(folder), chosen)
    with recorded(None if dry_run else folder.audit_log, "gc", subject=" ".join(chosen) or "unneeded blobs"):
        if not collect():
            raise StackgenError(
                "the collection failed, for the reason above", hint=f"see: {stackgen_line(folder, 'doctor')}"
            )


def _collection(folder: StackFolder, settings: StackSettings, flags: list[str]) -> Callable[[], bool]:
    """What collects, and says whether it did; StackgenError where there is nothing that could."""
    if folder.embedded_config.is_file() and "registry" not in running_services(folder):
        return lambda: subprocess.run([*_EMBEDDED, *flags, folder.embedded_config], check=False).returncode == 0
    return partial(docker.run_compose, folder, *_into_container(folder, settings), *_COLLECT, *flags, _CONFIG)


def _into_container(folder: StackFolder, settings: StackSettings) -> tuple[str, ...]:
    """Compose's words that lead into the registry's container; StackgenError where there is none to be had."""
    if not folder.compose.exists():
        raise StackgenError(
            "this stack has no compose.yaml",
            hint=f"write it: {stackgen_line(folder, 'render')}; or start it: {stackgen_line(folder, 'serve')}",
        )
    listed = docker.compose(folder, "ps", "--services", "--status", "running")
    if not listed.ok:
        raise docker.refusal(listed)
    if "registry" in listed.out.split():
        return ("exec", "-T", "registry")
    if not _holds_images(folder, settings):
        raise StackgenError(
            "this stack has never been started: there is nothing to collect",
            hint=f"start it: {compose_line(folder, 'up', '-d', '--wait')}",
        )
    # At rest a container of its own does it, which opens no port.
    return ("run", "--rm", "--no-deps", "-T", "registry")


def _holds_images(folder: StackFolder, settings: StackSettings) -> bool:
    """Whether a stack at rest has been started before: it has left a volume, or files in STORAGE_DIR."""
    if settings.storage_dir is not None:
        place = folder.resolve(settings.storage_dir) / "docker"
        return os.path.exists(place) or not os.access(place.parent, os.X_OK)  # noqa: PTH110  (Path's may raise)
    return bool((claim := find_claim(settings.compose_project_name)) and claim.volumes)
