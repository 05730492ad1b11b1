"""`stackgen gc`."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import click

from stackgen.cli.options import examples, stack_argument
from stackgen.errors import StackgenError
from stackgen.running import running_services

if TYPE_CHECKING:
    from stackgen.folder import StackFolder

_CONFIG = "/etc/docker/registry/config.yml"


@click.command(epilog=examples("stackgen gc --dry-run mystack", "stackgen gc --delete-untagged mystack"))
@stack_argument
@click.option("-d", "--dry-run", is_flag=True, help="Only tell what would be removed, and why the rest stays.")
@click.option("-m", "--delete-untagged", is_flag=True, help="Remove images that no tag, index or subject keeps, too.")
@click.option("-q", "--quiet", is_flag=True, help="Only tell the sum.")
@click.option("--no-trash", is_flag=True, help="Free the room at once: nothing can be had back.")
def command(*, folder: StackFolder, dry_run: bool, delete_untagged: bool, quiet: bool, no_trash: bool) -> None:
    """Remove what no image needs any more, while the registry serves.

    The registry does this by itself every day; this is for when the room is needed now.
    """
    flags = {"--dry-run": dry_run, "--delete-untagged": delete_untagged, "--quiet": quiet, "--no-trash": no_trash}
    done = subprocess.run(
        [*_registry(folder), *(flag for flag, on in flags.items() if on), _config(folder)], check=False
    )
    if done.returncode:
        raise StackgenError("the collection failed, see above", exit_code=done.returncode)


def _in_container(folder: StackFolder) -> bool:
    return "registry" in running_services(folder)


def _registry(folder: StackFolder) -> list[str]:
    if _in_container(folder):
        project = ["docker", "compose", "--project-directory", str(folder.root), "exec", "-T", "registry"]
        return [*project, "registry", "garbage-collect"]
    if folder.embedded_config.is_file():
        return [sys.executable, "-m", "registry_app", "garbage-collect"]
    raise StackgenError(
        "the stack's registry does not run", hint="start it: docker compose up -d --wait; it collects by itself too"
    )


def _config(folder: StackFolder) -> str:
    return _CONFIG if _in_container(folder) else str(folder.embedded_config)
