"""`stackgen init`."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from pathlib import Path

import click

from stackgen import founding, hosting, hosts
from stackgen.certificates import read_own
from stackgen.cli import next_steps
from stackgen.cli.options import examples
from stackgen.cli.terminal import warn
from stackgen.env_file import NAMES, near_name, read_env
from stackgen.errors import StackgenError
from stackgen.folder import StackFolder
from stackgen.shell import shell_line, stackgen_line
from stackgen.writing import exclusive

LOCAL_PORTS = {"https": 8443, "http": 8080}
PUBLIC_PORTS = {"https": 443, "http": 80}
ALONE_PORT = 5000


@click.command(
    epilog=examples(
        "stackgen init mystack",
        "stackgen init mystack --domain registry.example.com --yes",
        "stackgen init mystack --domain registry.example.com --cert fullchain.pem --key privkey.pem",
        "stackgen init mystack --proxy none --storage-dir /srv/registry",
        "stackgen init mystack --set BUILD_EXTRA_CA=/etc/ssl/certs/ca-certificates.crt",
    )
)
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--domain", metavar="HOST", help="Host name or address of the registry.  [default: localhost]")
@click.option("--https-port", type=click.IntRange(1, 65535), help="Port for TLS; a busy one is refused.")
@click.option("--http-port", type=click.IntRange(0, 65535), help="Port that leads to HTTPS; 0 for none.")
@click.option("--tls", type=click.Choice(["local", "own"]), help="A certificate of the stack's own CA, or yours.")
@click.option("--cert", type=click.Path(path_type=Path), metavar="FILE", help="Your own certificate with its chain.")
@click.option("--key", type=click.Path(path_type=Path), metavar="FILE", help="The key of --cert.")
@click.option("--proxy", type=click.Choice(["nginx", "none"]), help="What terminates TLS.")
@click.option("--storage-dir", metavar="PATH", help="Keep images in this folder instead of a volume.")
@click.option("--admin-user", metavar="NAME", help="The first user.  [default: admin]")
@click.option("--project-name", metavar="NAME", help="Compose project.  [default: from DIR]")
@click.option("--profile", "profiles", multiple=True, metavar="NAME", help="Run this profile too; repeatable.")
@click.option("--set", "others", multiple=True, metavar="NAME=VALUE", help="Any other setting; repeatable.")
@click.option("--yes", is_flag=True, help="Ask nothing.")
def command(
    directory: Path, *, others: tuple[str, ...], yes: bool, cert: Path | None, key: Path | None, **answers: object
) -> None:
    """Make a stack: settings, secrets, certificate and compose.yaml.

    Without options the registry is for this machine alone: localhost, a free port, a certificate of its own CA.
    """
    if empty := [name for name, value in answers.items() if value == ""]:
        # A script's unset variable must not decide what the network reaches.
        raise click.UsageError(f"--{empty[0].replace('_', '-')} is empty: give it a value, or leave it out")
    if (cert is None) != (key is None):
        raise click.UsageError("--cert and --key go together")
    if cert and answers["tls"] == "local":
        raise click.UsageError("--cert and --key are for --tls own")
    folder = StackFolder(directory)
    if folder.journal.is_file():
        with exclusive(folder):
            warn("an interrupted command was finished first")
    if folder.is_stack():
        raise StackgenError(
            f"{directory} is a stack already, and stays as it is",
            hint=f"edit {shell_line(folder.env)}, then: {stackgen_line(folder, 'render')}",
        )
    founding.check_target(directory)
    if folder.env.exists():
        _refuse_answers(folder, others, answers)
        env = read_env(folder)
    else:
        given = {name: value for name, value in answers.items() if value not in (None, ())}
        if cert:
            given["tls"] = "own"
        env = founding.compose_env(propose_settings(directory, given, others, asks=not yes and sys.stdin.isatty()))
    own = read_own(cert, key, founding.check_env(env).host) if cert and key else None
    settings = founding.make_stack(directory, env, own=own)
    next_steps.tell(folder, settings)


def _refuse_answers(folder: StackFolder, others: tuple[str, ...], answers: dict[str, object]) -> None:
    given = [name for name, value in answers.items() if value not in (None, ())] + list(others)
    if given:
        raise StackgenError(
            f"{folder.env} is there already and says what this stack is",
            hint="put the settings into that file, or remove it, and run init without options",
        )


def propose_settings(
    directory: Path, given: dict[str, object], others: tuple[str, ...], *, asks: bool
) -> dict[str, str]:
    """Name and value of every setting that a new `.env` holds."""
    extra = dict(_parse_pair(pair) for pair in others)
    if asks and "domain" not in given and "SERVICE_DOMAIN" not in extra:
        given["domain"] = click.prompt("Host name of the registry", default="localhost")
    domain = str(given.get("domain", extra.get("SERVICE_DOMAIN", "localhost")))
    local = hosts.is_loopback(domain)
    env = {
        "COMPOSE_PROJECT_NAME": str(given.get("project_name", _project_name(directory))),
        "COMPOSE_PROFILES": ",".join(_strings(given.get("profiles", ()))),
        "SERVICE_DOMAIN": domain,
    }
    if local:
        env["BIND_ADDRESS"] = domain if domain != "localhost" else "127.0.0.1"
    env |= _ports(given, extra, local=local)
    env["PROXY"] = str(given.get("proxy", "nginx"))
    env["TLS"] = str(given.get("tls", "local"))
    env["SECRETS_GID"] = str(hosting.operator_group())
    if storage := given.get("storage_dir"):
        env["STORAGE_DIR"] = os.path.abspath(str(storage))  # noqa: PTH100  (resolve() would follow links)
        if os.geteuid() != 0:
            env["REGISTRY_USER"] = f"{os.geteuid()}:{os.getegid()}"
    if admin := given.get("admin_user"):
        env["REGISTRY_ADMIN_USER"] = str(admin)
    return env | extra


def _strings(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, tuple | list) else []


def _parse_pair(pair: str) -> tuple[str, str]:
    name, sign, value = pair.partition("=")
    if not sign:
        raise click.UsageError(f"--set {pair}: write NAME=VALUE")
    if name not in NAMES:
        near = near_name(name)
        raise click.UsageError(f"--set {name}: no such setting" + (f"; did you mean {near}?" if near else ""))
    return name, value


def _ports(given: dict[str, object], extra: dict[str, str], *, local: bool) -> dict[str, str]:
    """HTTPS_PORT and HTTP_PORT: as asked for, else the usual ones, else the next free ones."""
    usual = LOCAL_PORTS if local else PUBLIC_PORTS
    address = extra.get("BIND_ADDRESS", "127.0.0.1" if local else None)
    alone = given.get("proxy", extra.get("PROXY")) == "none"
    https = _port("https", given.get("https_port"), ALONE_PORT if alone else usual["https"], address)
    if alone:
        return {"HTTPS_PORT": str(https)}
    http = _port("http", given.get("http_port"), usual["http"], address, taken=frozenset({https}))
    return {"HTTPS_PORT": str(https), "HTTP_PORT": str(http)}


def _port(kind: str, asked: object, usual: int, address: str | None, *, taken: frozenset[int] = frozenset()) -> int:
    def is_free(port: int) -> bool:
        return hosting.port_is_free(port, address)

    if isinstance(asked, int):
        if asked and not is_free(asked):
            other = hosting.propose_port(asked, is_free, taken=taken)
            raise StackgenError(
                f"port {asked} is in use on this machine", hint=f"{other} is free: --{kind}-port {other}"
            )
        return asked
    port = hosting.propose_port(usual, is_free, taken=taken)
    if port != usual:
        warn(f"port {usual} is in use on this machine: {kind} gets {port} instead")
    return port


def _project_name(directory: Path) -> str:
    """The folder's name as Compose accepts it; where nothing of it is left, one that no other folder has."""
    name = re.sub(r"[^a-z0-9_-]+", "-", directory.resolve().name.lower()).strip("-_")
    return name[:63] or f"stackgen-{hashlib.sha256(os.fsencode(directory.resolve())).hexdigest()[:8]}"
