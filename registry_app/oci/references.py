"""What a stored manifest refers to: read leniently, since other registries wrote some of them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from registry_app.errors import RegistryError
from registry_app.oci.digests import Digest
from registry_app.oci.media_types import IMAGES, INDEXES, OCI_INDEX, OCI_MANIFEST, SCHEMA_1, lies_elsewhere

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SIGNED_SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """The digests in a manifest, and what a list of referrers tells about it.

    `stated`: the media type stands in it; else it is what such a manifest usually is. `elsewhere`: those of the blobs
    that a registry may lack, as clients fetch them from where they are told to.
    """

    media_type: str
    stated: bool = True
    blobs: frozenset[Digest] = frozenset()
    elsewhere: frozenset[Digest] = frozenset()
    children: tuple[Digest, ...] = ()
    subject: Digest | None = None
    artifact_type: str | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)

    def may_be(self, media_type: str) -> bool:
        """Whether a descriptor may call it so: by its own type, or where it states none, by one of the same kind."""
        if self.stated:
            return media_type == self.media_type
        return any({media_type, self.media_type} <= kind for kind in (IMAGES, INDEXES, SCHEMA_1))


def parse_references(body: bytes) -> References:
    """The references of a stored manifest, schema 1 included; ValueError if it can't be told what they are."""
    try:
        document = json.loads(body)
    except RecursionError:
        raise ValueError("nested too deep") from None
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - one kind of error for every bad document
    media_type = _media_type(document)
    config = document.get("config") if isinstance(document.get("config"), dict) else None
    artifact_type = document.get("artifactType") or (config or {}).get("mediaType")
    annotations = document.get("annotations")
    return References(
        media_type=media_type,
        stated=media_type == document.get("mediaType"),
        blobs=frozenset(_blobs(document, config)),
        elsewhere=frozenset(_elsewhere(document)),
        children=tuple(_digests(document, "manifests", "digest")),
        subject=_digest(document["subject"], "digest") if document.get("subject") else None,
        artifact_type=artifact_type if isinstance(artifact_type, str) else None,
        annotations=annotations if isinstance(annotations, dict) else {},
    )


def _media_type(document: dict[str, Any]) -> str:
    stated = document.get("mediaType")
    if isinstance(stated, str) and stated:
        return stated
    if document.get("schemaVersion") == 1:
        return _SIGNED_SCHEMA_1
    return OCI_INDEX if "manifests" in document else OCI_MANIFEST


def _blobs(document: dict[str, Any], config: dict[str, Any] | None) -> Iterator[Digest]:
    if config:
        yield _digest(config, "digest")
    elif _media_type(document) in IMAGES:
        raise ValueError("an image without config")
    yield from _digests(document, "layers", "digest")
    yield from _digests(document, "blobs", "digest")
    yield from _digests(document, "fsLayers", "blobSum")


def _elsewhere(document: dict[str, Any]) -> Iterator[Digest]:
    for layer in document.get("layers") or ():
        if isinstance(stated := layer.get("mediaType"), str) and lies_elsewhere(stated):
            yield _digest(layer, "digest")


def _digests(document: dict[str, Any], name: str, key: str) -> Iterator[Digest]:
    listed = document.get(name) or []
    if not isinstance(listed, list):
        raise ValueError(f"{name} is no list")  # noqa: TRY004 - one kind of error for every bad document
    for descriptor in listed:
        yield _digest(descriptor, key)


def _digest(descriptor: Any, key: str) -> Digest:
    try:
        return Digest.parse(descriptor[key])
    except (RegistryError, KeyError, TypeError, AttributeError):
        raise ValueError(f"a descriptor without {key}") from None
