"""`registry init-stack`: the one-shot service of a published stack."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import click

from registry_app.cli.output import tell

# The folders of the image that volumes are mounted over; the Dockerfile gives them to the registry's user.
ROOT = Path("/stack")


@click.command(short_help="Prepare the volumes of a published stack; run by its `init` service.")
@click.option("--host", required=True, help="Name or address that clients will use: SERVICE_DOMAIN.")
@click.option("--user", default="admin", show_default=True, help="First user, where there is none yet.")
@click.option("--published-version", default="", help="Version that this stack was published as.")
@click.option("--asked-version", default="", help="REGISTRY_VERSION of the consumer's .env; another one is refused.")
@click.option("--profile-secret", "profile_secrets", multiple=True, metavar="PATH", help="A secret to make once.")
@click.option("--project", default="", help="The Compose project, for the commands that are printed.")
@click.option("--root", type=click.Path(path_type=Path), default=ROOT, show_default=True, hidden=True)
# Not on the command line of the container: an image of an earlier version would refuse them.
@click.option("--storage-dir", envvar="STORAGE_DIR", default="", hidden=True)
@click.option("--certs-dir", envvar="CERTS_DIR", default="", hidden=True)
@click.option("--secrets-dir", envvar="SECRETS_DIR", default="", hidden=True)
def command(
    host: str,
    user: str,
    published_version: str,
    asked_version: str,
    profile_secrets: tuple[str, ...],
    project: str,
    root: Path,
    **folders: str,
) -> None:
    """Make what a published stack lacks: configuration, certificate, secrets, first user. Keeps all that is there."""
    from registry_app import first_start

    if asked_version and published_version and asked_version != published_version:
        raise click.ClickException(
            f"this stack is {published_version}, and REGISTRY_VERSION in .env asks for {asked_version}: "
            f"run the stack published as {asked_version}, or write REGISTRY_VERSION={published_version}"
        )
    places = first_start.Places(
        incoming=root / "incoming",
        config=root / "config",
        certs=root / "certs",
        secrets=root / "secrets",
        keep=root / "keep",
        profile_secrets=root / "profile-secrets",
    )
    try:
        wishes = first_start.Wishes(
            first_start.parse_host(host),
            user=user,
            project=project or "PROJECT",
            profile_secrets=profile_secrets,
            folders={name.upper(): folder for name, folder in folders.items()},
        )
        done = first_start.prepare(places, wishes, now=dt.datetime.now(dt.UTC))
    except (first_start.FirstStartError, OSError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    tell(f"made {', '.join(done)}" if done else "nothing to make: all is there")
    if (places.keep / "admin_password").exists():
        container = f"{wishes.project}-init-1"
        tell(f"the first password:         docker cp {container}:{places.keep / 'admin_password'} .")
        tell(f"the CA that clients trust:  docker cp {container}:{places.certs / 'ca.crt'} .")
