"""`stackgen demo`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from stackgen.cli.options import examples
from stackgen.cli.terminal import command_line, heading, say, warn
from stackgen.distribution.addresses import is_loopback
from stackgen.folder import StackFolder
from stackgen.shell import shell_line, stackgen_line, way_to_stackgen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from stackgen.demo.running import Running
    from stackgen.settings import StackSettings


@click.command(epilog=examples("stackgen demo", "stackgen demo --embedded"))
@click.argument("directory", metavar="[DIR]", default="demo", type=click.Path(path_type=Path))
@click.option("--embedded", is_flag=True, help="Run without Docker, even where an engine answers.")
def command(directory: Path, *, embedded: bool) -> None:
    """Make a stack, start it, and prove it with an image that goes in and comes back.

    The stack runs on Docker Engine where one answers, else embedded, and goes on running. A stack that is in DIR
    already is started as it is.
    """
    from stackgen.demo import docker_trip, proof, running  # noqa: PLC0415  (slow to import)

    folder = StackFolder(directory)
    settings = _stack_in(folder)
    obstacle = None if embedded else docker_trip.find_obstacle()
    if obstacle is not None:
        warn(f"it goes without Docker: {obstacle.message}: {obstacle.remedy}")
    with_docker = not embedded and obstacle is None
    say(f"starting it {'on Docker Engine; the first time an image is built' if with_docker else 'embedded'} ...")
    started = running.start(folder, settings, with_docker=with_docker)
    checked = proof.prove(folder, settings, with_docker=with_docker)
    say(f"pushed {checked.name} and pulled it back{' with docker' if with_docker else ''}; every digest is right:")
    for digest in checked.digests:
        say(f"  {digest}")
    _tell(folder, settings, started, with_docker=with_docker)


def _stack_in(folder: StackFolder) -> StackSettings:
    """The settings of the stack in a folder, which is made where there is none."""
    from stackgen import founding  # noqa: PLC0415
    from stackgen.cli.answers import gather_answers  # noqa: PLC0415
    from stackgen.cli.proposal import propose_settings  # noqa: PLC0415
    from stackgen.env_file import load_settings  # noqa: PLC0415

    if folder.is_stack():
        settings = load_settings(folder)
        say(f"{folder.root}/ is a stack already, for {settings.external_url}")
        return settings
    founding.check_target(folder.root)
    proposal = propose_settings(folder.root, gather_answers({}, tuple(_for_the_build(os.environ))))
    settings = founding.make_stack(folder.root, founding.compose_env(proposal.settings))
    for note in proposal.notes:
        warn(note)
    say(f"made {folder.root}/, a stack for {settings.external_url}")
    return settings


def _for_the_build(environ: Mapping[str, str]) -> Iterator[str]:
    """Settings for the image's build: whoever must tell pip of a way out must tell the build of it as well."""
    from stackgen.values import parse_proxy_url  # noqa: PLC0415

    if authority := environ.get("PIP_CERT"):
        yield f"BUILD_EXTRA_CA={Path(authority).absolute()}"
    ways = {name: environ.get(name.lower()) or environ.get(name) for name in ("HTTP_PROXY", "HTTPS_PROXY")}
    ways = {f"BUILD_{name}": way for name, way in (ways | {"PIP_INDEX_URL": environ.get("PIP_INDEX_URL")}).items()}
    for setting, way in ways.items():
        try:
            # This machine's loopback is another one inside a build; with a password the image would tell it.
            if way and not is_loopback(urlsplit(parse_proxy_url(way)).netloc):
                yield f"{setting}={way}"
        except ValueError:
            continue


def _tell(folder: StackFolder, settings: StackSettings, started: Running, *, with_docker: bool) -> None:
    say()
    say(f"Address   {settings.external_url}")
    say(f"User      {settings.registry_admin_user}")
    say(f"Password  in {folder.admin_password}")
    if line := way_to_stackgen():
        say(f"stackgen  found after: {line}")
    say()
    heading("Next:")
    for line in _with_docker(folder, settings) if with_docker else _without_docker(folder, settings):
        command_line(line)
    command_line(started.stop, "when you have seen enough")


def _with_docker(folder: StackFolder, settings: StackSettings) -> tuple[str, str]:
    login = shell_line("docker", "login", "-u", settings.registry_admin_user, "--password-stdin", settings.authority)
    image = f"{settings.authority}/team/app:1"
    return (
        f"{login} < {shell_line(folder.admin_password)}",
        f"docker tag IMAGE {image} && docker push {image}",
    )


def _without_docker(folder: StackFolder, settings: StackSettings) -> tuple[str, str]:
    ca = shell_line(folder.resolve(settings.certs_dir) / "ca.crt")
    return (
        f"curl --cacert {ca} -u {shell_line(settings.registry_admin_user)} {settings.external_url}/v2/_catalog",
        stackgen_line(folder, "users", "list"),
    )
