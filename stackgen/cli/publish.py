"""`stackgen publish`."""

from __future__ import annotations

import datetime as dt
import os
import re
from typing import TYPE_CHECKING

import click

from stackgen import __version__
from stackgen.cli.options import StackFolderType, examples
from stackgen.cli.registries import oci_address, reach_options
from stackgen.cli.terminal import command_line, heading, say, warn
from stackgen.distribution.reach import Reach
from stackgen.env_file import load_settings
from stackgen.planning import PlanInputs
from stackgen.profiles import load_profiles
from stackgen.publishing import publisher, signing
from stackgen.publishing.annotations import annotations_of, creation_time, source_of
from stackgen.shell import shell_line
from stackgen.stack import load_pins

if TYPE_CHECKING:
    from pathlib import Path

    from stackgen.distribution.addresses import Address
    from stackgen.folder import StackFolder

_VERSION_LIKE = re.compile(r"v?[0-9].*")


@click.command(
    epilog=examples(
        "stackgen pin && stackgen publish oci://registry.example.com/acme/stack:1.0 --with-image",
        "stackgen publish oci://localhost:8443/acme/stack:1.0 --ca certs/ca.crt --sign cosign.key",
        "SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) stackgen publish oci://registry.example.com/acme/stack:1.0",
    )
)
@click.argument("address", type=oci_address)
@click.argument("folder", metavar="[DIR]", default=".", type=StackFolderType())
@click.option("--with-image", is_flag=True, help="Push the registry's image of the local engine along.")
@click.option("--allow-tags", is_flag=True, help="Let images be named by tag. For trying out.")
@click.option("--version", metavar="TEXT", help="What REGISTRY_VERSION is compared with.  [default: from the tag]")
@click.option("--source", metavar="URL", help="Where the stack's source lies.  [default: git's origin]")
@click.option("--licence", metavar="SPDX", default="Apache-2.0", show_default=True, help="Licence of the stack.")
@click.option("--sign", "key", metavar="KEY", help="Sign with this key of cosign's: a file or a KMS address.")
@click.option("--dry-run", is_flag=True, help="Print the Compose file that would be published; push nothing.")
@reach_options
def command(
    address: Address,
    folder: StackFolder,
    version: str | None,
    source: str | None,
    licence: str,
    key: str | None,
    ca: Path | None,
    *,
    with_image: bool,
    allow_tags: bool,
    dry_run: bool,
    plain_http: bool,
) -> None:
    """Publish the stack as an OCI artifact that `docker compose -f oci://…` runs.

    It holds what is rendered from .env, without anything of this host: no domain, ports, secrets or users.
    """
    address = publisher.target_of(address)
    inputs = PlanInputs(load_settings(folder), load_profiles(), load_pins(folder))
    version = publisher.check_version(version or _version_from(address))
    annotations = annotations_of(
        version=version,
        licence=licence,
        source=source or source_of(folder.root),
        created=creation_time(os.environ, now=dt.datetime.now(dt.UTC)),
    )
    terms = publisher.Terms(address, version, annotations, tags_allowed=allow_tags)
    reach = Reach(ca, plain_http)
    client = reach.connect(address.host, environ=os.environ)
    if with_image and not dry_run:
        name = publisher.local_image(inputs)
        # What else is wrong is said before hundreds of megabytes are sent.
        publisher.draft_artifact(inputs, terms, registry_image=f"{address.name}@sha256:{'0' * 64}")
        say(f"pushing the image {name}")
        image = publisher.push_local_image(client, name, terms)
    elif with_image:
        image = publisher.local_image(inputs)
        terms = publisher.Terms(address, version, annotations, tags_allowed=True)
    else:
        image = publisher.registry_image(inputs, tags_allowed=allow_tags)
    artifact = publisher.draft_artifact(inputs, terms, registry_image=image)
    if dry_run:
        say(artifact.layer.content.decode() if isinstance(artifact.layer.content, bytes) else "")
        return
    pinned = publisher.push_artifact(client, artifact, address)
    if key is not None:
        # Before the tag: whoever verifies what a tag names never meets a version without its signature.
        signing.sign(pinned, key=key, reach=reach)
    publisher.tag_artifact(client, artifact, address)
    trust = ("--ca", ca) if ca is not None else ()
    check = shell_line("stackgen", "verify", f"oci://{pinned}", "--key", "cosign.pub", *trust) if key else None
    _tell(pinned, image, check=check, loose=allow_tags)


def _version_from(address: Address) -> str:
    tag = str(address.tag or "")
    return tag if _VERSION_LIKE.fullmatch(tag) else __version__


def _tell(pinned: Address, image: str, *, check: str | None, loose: bool) -> None:
    heading(f"published {pinned}")
    say(f"registry image {image}")
    if check is not None:
        say("signed; who has the key's public half checks it:")
        command_line(check)
    if loose:
        warn("images named by tag can change under a consumer: leave out --allow-tags for anything that others run")
    say("run it from an empty folder, with SERVICE_DOMAIN=… in .env (in scripts with -y: Compose asks first):")
    command_line(f"docker compose -f oci://{pinned.name}:{pinned.tag} --env-file .env up -d --wait")
    say("or just this one, whatever happens to the tag:")
    command_line(f"docker compose -f oci://{pinned.name}@{pinned.digest} --env-file .env up -d --wait")
