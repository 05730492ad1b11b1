"""`stackgen gc`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import click

from stackgen.administration import record
from stackgen.cli.options import examples, stack_argument
from stackgen.errors import StackgenError
from stackgen.running import running_services
from stackgen.shell import stackgen_line

if TYPE_CHECKING:
    from stackgen.folder import StackFolder

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
    registry = _registry(folder)
    chosen = [flag for flag, on in flags.items() if on]
    done = subprocess.run([*registry, *chosen, _config(folder, registry)], check=False)
    if not dry_run:
        result = f"failed with exit code {done.returncode}" if done.returncode else "done"
        record(folder, "gc", subject=" ".join(chosen) or "unneeded blobs", result=result)
    if done.returncode:
        raise StackgenError("the collection failed, see above", exit_code=done.returncode)


def _registry(folder: StackFolder) -> list[str]:
    if folder.embedded_config.is_file() and not _in_container(folder):
        return [sys.executable, "-m", "registry_app", "garbage-collect"]
    if not folder.compose.exists():
        raise StackgenError(
            "this stack has no compose.yaml",
            hint=f"write it: {stackgen_line(folder, 'render')}; or start it: {stackgen_line(folder, 'serve')}",
        )
    if not shutil.which("docker"):
        raise StackgenError("there is no docker command here", hint="run this where the stack runs")
    compose = ["docker", "compose", "--project-directory", str(folder.root)]
    # At rest a container of its own does it, which opens no port.
    into = ["exec", "-T"] if _in_container(folder) else ["run", "--rm", "--no-deps", "-T"]
    return [*compose, *into, "registry", "registry", "garbage-collect"]


def _in_container(folder: StackFolder) -> bool:
    return "registry" in running_services(folder)


def _config(folder: StackFolder, command: list[str]) -> str:
    return _CONFIG if command[0] == "docker" else str(folder.embedded_config)
