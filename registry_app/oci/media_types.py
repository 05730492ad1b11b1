"""Media types of manifests and layers (OCI Image Specification 1.1; Docker image manifest version 2, schema 2)."""

from __future__ import annotations

import re

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
IMAGES = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
INDEXES = frozenset({OCI_INDEX, DOCKER_LIST})
MANIFESTS = IMAGES | INDEXES
DOCKERS = frozenset({DOCKER_MANIFEST, DOCKER_LIST})
SCHEMA_1 = frozenset(
    {
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
    }
)
_LAYER_PREFIXES = (
    "application/vnd.oci.image.layer.",
    "application/vnd.docker.image.rootfs.",
    "application/vnd.oci.image.config.",
    "application/vnd.docker.container.image.",
)
_ELSEWHERE = ("application/vnd.oci.image.layer.nondistributable.", "application/vnd.docker.image.rootfs.foreign.")
# RFC 6838, section 4.2
_GRAMMAR = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}")


def is_media_type(text: object) -> bool:
    """Whether this follows the grammar `type/subtype` (parameters are not part of it)."""
    return isinstance(text, str) and bool(_GRAMMAR.fullmatch(text))


def is_part_of_an_image(media_type: str) -> bool:
    """Whether this is the type of a layer or a config, which never stand in an index."""
    return media_type.startswith(_LAYER_PREFIXES)


def lies_elsewhere(media_type: str) -> bool:
    """Whether a layer of this type may be left out of the registry (non-distributable, foreign)."""
    return media_type.startswith(_ELSEWHERE)
