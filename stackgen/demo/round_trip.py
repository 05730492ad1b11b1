"""Pushes an image, reads it back, and believes nothing that it has not hashed itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from registry_app.errors import RegistryError
from registry_app.oci.digests import Digest
from stackgen.demo.image import MANIFEST_TYPE, Image
from stackgen.errors import StackgenError

if TYPE_CHECKING:
    from stackgen.distribution.addresses import Address
    from stackgen.distribution.client import RegistryClient


def push_image(client: RegistryClient, address: Address, image: Image) -> Digest:
    """Push every blob and then the manifest under the address's tag; gives the manifest's digest."""
    for blob in image.blobs:
        client.push_blob(address.repository, blob)
    return client.push_manifest(address.repository, address.reference, image.manifest, media_type=MANIFEST_TYPE)


def read_back(client: RegistryClient, address: Address, *, expected: Digest | None = None) -> tuple[Digest, ...]:
    """The digests of an image's manifest and of all that it names, each computed from the bytes that came.

    Raises StackgenError where one is not what it was called, or the manifest is not the `expected` one.
    """
    manifest = client.read_manifest(address)
    if expected is not None and manifest.digest != expected:
        raise StackgenError(
            f"{address} holds {manifest.digest}, and {expected} was pushed",
            hint="did someone else push to this tag? else see the registry's log",
        )
    found = [manifest.digest]
    named = json.loads(manifest.body)
    for digest, _ in _descriptors(named.get("manifests", [])):
        found += read_back(client, address.pinned(digest))
    for digest, size in _descriptors([named["config"], *named["layers"]] if "config" in named else []):
        client.read_blob(address.repository, digest, size=size)
        found.append(digest)
    return tuple(found)


def _descriptors(described: list[dict[str, Any]]) -> list[tuple[Digest, int]]:
    """Digest and size of each descriptor."""
    try:
        return [(Digest.parse(one["digest"]), int(one["size"])) for one in described]
    except (KeyError, TypeError, ValueError, RegistryError) as error:
        raise StackgenError(f"the registry gave a manifest that is none: {error}", hint="see its log") from error
