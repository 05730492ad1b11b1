"""`stackgen verify`."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from registry_app.plain_text import one_line
from stackgen.cli.options import examples
from stackgen.cli.registries import oci_address, reach_options
from stackgen.cli.terminal import heading, say, warn
from stackgen.distribution.addresses import Address, parse_image
from stackgen.distribution.reach import Reach
from stackgen.errors import StackgenError
from stackgen.publishing import signing
from stackgen.publishing.artifact import parse_artifact
from stackgen.publishing.inspection import Overview, inspect_compose

if TYPE_CHECKING:
    from pathlib import Path

    from stackgen.distribution.client import RegistryClient


@click.command(
    epilog=examples(
        "stackgen verify oci://registry.example.com/acme/stack:1.0",
        "stackgen verify oci://registry.example.com/acme/stack:1.0 --key cosign.pub",
    )
)
@click.argument("address", type=oci_address)
@click.option("--key", metavar="KEY", help="The artifact must be signed by this public key of cosign's.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@reach_options
def command(address: Address, key: str | None, ca: Path | None, *, as_json: bool, plain_http: bool) -> None:
    """Check a published stack's digests and signature, and show what would run.

    Exit code 1: something is missing, damaged, unsigned, or not pinned by digest.
    """
    reach = Reach(ca, plain_http)
    client = reach.connect(address.host, environ=os.environ)
    manifest = client.read_manifest(address)
    pinned = address.pinned(manifest.digest)
    layer, annotations = parse_artifact(manifest.body)
    if key is not None:
        signing.verify_signature(pinned, key=key, reach=reach)
    content = client.read_blob(address.repository, layer.digest, size=layer.size)
    overview = inspect_compose(content)
    present = _check_images(client, overview)
    if as_json:
        fields = {"address": str(pinned), "signed": key is not None, "annotations": annotations, **asdict(overview)}
        say(json.dumps(fields | {"present": present}, indent=2))
    else:
        _show(pinned, annotations, overview, present, key=key)
    if overview.loose:
        raise StackgenError(
            f"not pinned by digest: {', '.join(map(one_line, overview.loose))}",
            hint="these can change from one start to the next: ask its publisher for one without --allow-tags",
        )


def _check_images(client: RegistryClient, overview: Overview) -> list[str]:
    """Images of the artifact's own registry that are there with the digest they are named by; raises otherwise."""
    present = []
    for one in overview.images:
        image = parse_image(one.image) if one.pinned else None
        if image is not None and image.host == client.host and one.image not in present:
            client.read_manifest(image)
            present.append(one.image)
    return present


def _show(
    pinned: Address, annotations: dict[str, str], overview: Overview, present: list[str], *, key: str | None
) -> None:
    heading(one_line(str(pinned)))
    say(f"signature   {'made by the key of ' + key if key else 'not checked (--key cosign.pub)'}")
    for name, value in sorted(annotations.items()):
        say(f"{one_line(name.removeprefix('org.opencontainers.image.')):12}{one_line(value)}")
    heading("would run")
    for one in overview.images:
        note = "checked" if one.image in present else "by digest" if one.pinned else "BY TAG"
        profiles = f"  [profile {', '.join(one.profiles)}]" if one.profiles else ""
        say(f"{one_line(one.service):16}{note:10}{one_line(one.image)}{one_line(profiles)}")
    say(f"ports       {one_line(', '.join(overview.ports)) or 'none'}")
    say(f"must be set {one_line(', '.join(overview.required)) or 'nothing'}")
    say(f"can be set  {one_line(', '.join(overview.optional)) or 'nothing'}")
    for line in overview.notable:
        warn(one_line(line))
