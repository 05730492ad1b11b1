"""Pushes a stack: image, blobs, manifest, signature, and last the tag. A kill before that leaves what was published."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import yaml

from registry_app.oci.names import Repository, Tag
from registry_app.plain_text import quoted
from stackgen.distribution.addresses import Address, parse_image
from stackgen.errors import StackgenError
from stackgen.folder import COMPOSE
from stackgen.planning import PlanInputs, plan_stack
from stackgen.publishing.artifact import MANIFEST_TYPE, Artifact, build_artifact
from stackgen.publishing.image_archive import open_local_image
from stackgen.publishing.self_contained import Publication, for_anyone, self_contained

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stackgen.distribution.client import RegistryClient

_SERVICE = "registry"
_VERSION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,127}")


@dataclass(frozen=True, slots=True)
class Terms:
    """How a stack is to be published."""

    address: Address
    """With a tag (`target_of`)."""
    version: str
    annotations: Mapping[str, str]
    tags_allowed: bool = False


def target_of(address: Address) -> Address:
    """Where to publish: under the tag, or as `latest` as whoever reads without one; StackgenError for a digest."""
    if address.digest is not None:
        raise StackgenError(
            "an artifact's digest comes from what is published: it can't be chosen",
            hint=f"publish under a tag: oci://{address.name}:{address.tag or '1.0'}",
        )
    return address if address.tag is not None else replace(address, tag=Tag.parse(address.reference))


def check_version(version: str) -> str:
    """The version; StackgenError for one that `.env`, a Compose file or a comment would not hold as it is."""
    if _VERSION.fullmatch(version):
        return version
    raise StackgenError(
        f"{quoted(version)} is no version that REGISTRY_VERSION could be compared with",
        hint="use letters, digits, dots, +, - and _, such as --version 1.0.0",
    )


def draft_artifact(inputs: PlanInputs, terms: Terms, *, registry_image: str) -> Artifact:
    """The artifact of a stack that runs this registry image; StackgenError for images without a digest. Pure."""
    settings = for_anyone(inputs.settings, registry_image=registry_image)
    plan = plan_stack(replace(inputs, settings=settings))
    if not terms.tags_allowed:
        refuse_tags(plan.file(COMPOSE).content)
    secrets = tuple(path for profile in inputs.profiles for path in profile.secrets)
    publication = Publication(terms.version, registry_image, secrets, inputs.settings.compose_project_name)
    compose = self_contained(plan, publication)
    return build_artifact(compose, annotations=terms.annotations)


def refuse_tags(compose: bytes) -> None:
    """StackgenError that names every image of a Compose file that is not pinned by digest."""
    project: dict[str, Any] = yaml.safe_load(compose)
    loose = {str(one["image"]) for one in project["services"].values() if parse_image(one["image"]).digest is None}
    if loose:
        raise StackgenError(
            f"not pinned by digest: {', '.join(sorted(loose))}",
            hint="run: stackgen pin; for the registry's own image see --with-image; --allow-tags is for trying out",
        )


def registry_image(inputs: PlanInputs, *, tags_allowed: bool) -> str:
    """REGISTRY_IMAGE, which must be pinned; StackgenError that says what to do where it is not."""
    image = inputs.settings.registry_image
    if image is None or ("@" not in image and not tags_allowed):
        have = f"REGISTRY_IMAGE={image}" if image else "the image that `docker compose up` builds here"
        raise StackgenError(
            f"a consumer can't get {have}: a published stack needs the registry's image by digest",
            hint="add --with-image, which pushes the local one along, or write REGISTRY_IMAGE=…@sha256:… into .env",
        )
    version = inputs.settings.registry_version
    return f"{image}:{version}" if version and "@" not in image else image


def local_image(inputs: PlanInputs) -> str:
    """The name under which the engine here holds the registry's image."""
    project = yaml.safe_load(plan_stack(inputs).file(COMPOSE).content)
    return str(project["services"][_SERVICE]["image"])


def push_local_image(client: RegistryClient, name: str, terms: Terms) -> str:
    """Push an image of the engine's into `<repository>/registry`; gives its reference with tag and digest.

    A repository of its own: collections of untagged manifests beside the stack's artifacts never meet it.
    """
    repository = Repository.parse(f"{terms.address.repository}/{_SERVICE}")
    with open_local_image(name) as image:
        for blob in image.blobs:
            client.push_blob(repository, blob)
        client.push_manifest(repository, str(image.digest), image.manifest, media_type=MANIFEST_TYPE)
        target = replace(terms.address, repository=repository, digest=image.digest)
        client.push_manifest(repository, str(target.tag), image.manifest, media_type=MANIFEST_TYPE)
        return str(target)


def push_artifact(client: RegistryClient, artifact: Artifact, address: Address) -> Address:
    """Push an artifact under its digest, where nobody looks for it yet; gives that address."""
    for blob in (artifact.config, artifact.layer):
        client.push_blob(address.repository, blob)
    _push_manifest(client, artifact, address, reference=str(artifact.digest))
    return address.pinned(artifact.digest)


def tag_artifact(client: RegistryClient, artifact: Artifact, address: Address) -> None:
    """Let the tag name an artifact that was pushed: what changes for consumers, and so the last step."""
    _push_manifest(client, artifact, address, reference=str(address.tag))


def _push_manifest(client: RegistryClient, artifact: Artifact, address: Address, *, reference: str) -> None:
    client.push_manifest(address.repository, reference, artifact.manifest, media_type=MANIFEST_TYPE)
