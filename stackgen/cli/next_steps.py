"""The end of `init`, and `stackgen next`: everything between this machine and a first push."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING

from stackgen import docker, hosts
from stackgen.certificates import find_ca_problem
from stackgen.cli.logins import tell_login
from stackgen.cli.terminal import command_line, heading, say, sentence, warn
from stackgen.shell import shell_line

if TYPE_CHECKING:
    from stackgen.folder import StackFolder
    from stackgen.settings import StackSettings

_PATIENCE = 5.0
"""Seconds for an engine to say that it is there."""


def tell(folder: StackFolder, settings: StackSettings) -> None:
    """What to type next, and what is missing on this machine."""
    sentence(
        f"Its Compose project is {settings.compose_project_name}: no other stack on this machine may be called so."
    )
    say()
    heading("Next:")
    if folder.root.resolve() != Path.cwd():
        command_line(shell_line("cd", folder.root))
    builds = "" if settings.registry_image else "the first start builds the registry's image: about a minute"
    command_line("docker compose up -d --wait", builds)
    tell_login(folder, settings.registry_admin_user, settings.authority, seen_from=folder.root)
    command_line(f"docker tag IMAGE {settings.authority}/team/app:1")
    command_line(f"docker push {settings.authority}/team/app:1")
    _tell_outer_proxy(settings)
    _tell_trust(settings)
    _tell_hosts_line(settings)
    _tell_missing(folder, settings)


def _tell_outer_proxy(settings: StackSettings) -> None:
    """Where the stack itself is reached when REGISTRY_EXTERNAL_URL names another port."""
    if settings.port == settings.https_port:
        return
    here = f"{f'[{settings.host}]' if ':' in settings.host else settings.host}:{settings.https_port}"
    say()
    heading(f"{settings.authority} is the address of a proxy of yours in front:")
    sentence(f"  it has to lead to port {settings.https_port} of this machine, by HTTPS. Without it, from here:")
    command_line(shell_line("docker", "login", here))


def _tell_trust(settings: StackSettings) -> None:
    """Which line makes each engine trust the local authority."""
    if settings.tls != "local":
        return
    say()
    heading("Trust the stack's own CA, once on each machine that pushes or pulls:")
    ca = Path(settings.certs_dir) / "ca.crt"
    for engine, place in trust_places(settings.authority).items():
        command_line(shell_line("sudo", "install", "-Dm644", ca, Path(place)), engine)
    if settings.is_local:
        url, folder = settings.external_url, f"/etc/containerd/certs.d/{settings.authority}"
        toml = (f'server = "{url}"', f'[host."{url}"]', f'ca = "{folder}/ca.crt"')
        note = "containerd too: to localhost it speaks plain HTTP unless told otherwise"
        line = shell_line("printf", r"%s\n", *toml)
        command_line(f"{line} | {shell_line('sudo', 'tee', Path(folder) / 'hosts.toml')}", note)
        sentence("  Docker trusts registries on localhost as it is; podman and containerd do not.")


def trust_places(authority: str) -> dict[str, str]:
    """Engine → where it looks for the authority of a registry."""
    return {
        "docker": f"/etc/docker/certs.d/{authority}/ca.crt",
        "podman": f"/etc/containers/certs.d/{authority}/ca.crt",
        "containerd (with config_path)": f"/etc/containerd/certs.d/{authority}/ca.crt",
    }


def _tell_hosts_line(settings: StackSettings) -> None:
    host = settings.host
    if hosts.is_loopback(host) or _resolves(host):
        return
    say()
    heading(f"{host} does not resolve here. Until DNS knows it:")
    command_line(f"echo '{settings.own_address} {host}' | sudo tee -a /etc/hosts")


def _resolves(host: str) -> bool:
    try:
        socket.getaddrinfo(host, None)
    except OSError:
        return False
    return True


def _tell_missing(folder: StackFolder, settings: StackSettings) -> None:
    """What this machine lacks for `docker compose up`."""
    if settings.build_extra_ca and (reason := find_ca_problem(folder.resolve(settings.build_extra_ca))):
        warn(f"BUILD_EXTRA_CA {settings.build_extra_ca} {reason}: no image can be built with it")
    for obstacle in docker.find_obstacles(seconds=_PATIENCE):
        warn(f"{obstacle.message}: {obstacle.remedy}")
