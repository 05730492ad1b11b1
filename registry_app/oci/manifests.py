"""Manifests and indexes of OCI and Docker: parsed once, with every check, then trusted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from registry_app.errors import ErrorCode, RegistryError
from registry_app.oci.descriptors import Descriptor, parse_descriptor, refuse_lookalikes, string_map
from registry_app.oci.json_documents import parse_object
from registry_app.oci.media_types import (
    DOCKERS,
    IMAGES,
    INDEXES,
    MANIFESTS,
    SCHEMA_1,
    is_media_type,
    is_part_of_an_image,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

LARGEST_MANIFEST = 4 * 1024 * 1024
_SCHEMA_VERSION = 2
_FIELDS = frozenset(
    {
        "schemaVersion",
        "mediaType",
        "artifactType",
        "config",
        "layers",
        "manifests",
        "subject",
        "annotations",
        "fsLayers",
        "blobs",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A checked manifest: `body` is what was sent, byte for byte; the rest is what it says."""

    media_type: str
    body: bytes = field(repr=False)
    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] = ()
    children: tuple[Descriptor, ...] = ()
    subject: Descriptor | None = None
    artifact_type: str | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """Config and layers."""
        return (self.config, *self.layers) if self.config else self.layers

    @property
    def is_index(self) -> bool:
        """Whether this is an OCI index or a Docker manifest list."""
        return self.media_type in INDEXES


def parse_manifest(body: bytes, content_type: str | None) -> Manifest:
    """The manifest of a request or a file; raises MANIFEST_INVALID, or MANIFEST_TOO_LARGE over 4 MiB.

    Without a `content_type` the document's own `mediaType` decides; with both, they must be equal. OCI's may be silent
    about it, Docker's may not.
    """
    if len(body) > LARGEST_MANIFEST:
        raise RegistryError(ErrorCode.MANIFEST_TOO_LARGE, limit=LARGEST_MANIFEST)
    try:
        return _parse(body, (content_type or "").partition(";")[0].strip().lower())
    except ValueError as error:
        raise RegistryError(ErrorCode.MANIFEST_INVALID, reason=str(error)) from None


def _parse(body: bytes, content_type: str) -> Manifest:
    document = parse_object(body)
    refuse_lookalikes(document, _FIELDS, "the manifest")
    if content_type in SCHEMA_1 or document.get("schemaVersion") == 1 or "fsLayers" in document:
        raise ValueError(
            "Docker image manifest schema 1 is not supported: no engine since Docker 1.10 needs it; "
            "pull the image with a current engine and push it again"
        )
    media_type = _media_type(document, content_type)
    if type(document.get("schemaVersion")) is not int or document["schemaVersion"] != _SCHEMA_VERSION:
        raise ValueError("schemaVersion is not 2")
    artifact_type = document.get("artifactType")
    if artifact_type not in (None, "") and not is_media_type(artifact_type):
        raise ValueError("artifactType is not a media type")
    subject = document.get("subject")
    config, layers = _image(document) if media_type in IMAGES else (None, ())
    return Manifest(
        media_type=media_type,
        body=body,
        config=config,
        layers=layers,
        children=_children(document) if media_type in INDEXES else (),
        subject=None if subject is None else parse_descriptor(subject, "subject"),
        artifact_type=artifact_type or (config.media_type if config else None),
        annotations=string_map(document.get("annotations"), "annotations"),
    )


def _media_type(document: dict[str, Any], content_type: str) -> str:
    stated = document.get("mediaType")
    if stated is not None and not isinstance(stated, str):
        raise ValueError("mediaType is not a string")
    if stated and content_type and stated != content_type:
        raise ValueError(f"Content-Type {content_type!r} differs from the manifest's mediaType {stated[:200]!r}")
    if not stated and content_type in DOCKERS:
        # Nothing else tells it from OCI's: it would come back as another type than it was pushed as.
        raise ValueError(f"mediaType is missing: Docker's manifests name their type, {content_type}, themselves")
    media_type = content_type or stated or ""
    if media_type not in MANIFESTS:
        raise ValueError(f"the media type {media_type[:200]!r} is none of {', '.join(sorted(MANIFESTS))}")
    return media_type


def _image(document: dict[str, Any]) -> tuple[Descriptor, tuple[Descriptor, ...]]:
    # CVE-2021-41190: a document that reads as an image to one client and as an index to another.
    if "manifests" in document:
        raise ValueError("an image manifest has no 'manifests'")
    return parse_descriptor(document.get("config"), "config"), _descriptors(document, "layers")


def _children(document: dict[str, Any]) -> tuple[Descriptor, ...]:
    for name in ("config", "layers"):
        if name in document:
            raise ValueError(f"an index has no {name!r}")
    children = _descriptors(document, "manifests")
    for place, child in enumerate(children):
        if is_part_of_an_image(child.media_type):
            raise ValueError(
                f"manifests[{place}] points at {child.media_type}: an index holds manifests only "
                "(for a BuildKit cache, export with image-manifest=true)"
            )
    return children


def _descriptors(document: dict[str, Any], name: str) -> tuple[Descriptor, ...]:
    values = document.get(name, None if name in document else "missing")
    if values is None:  # Go writes an empty list so
        return ()
    if not isinstance(values, list):
        raise ValueError(f"{name!r} is missing or not a list")  # noqa: TRY004 - one kind of error for every bad document
    return tuple(parse_descriptor(value, f"{name}[{place}]") for place, value in enumerate(values))
