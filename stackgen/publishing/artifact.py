"""The OCI artifact that Docker Compose runs from `oci://`: built to the byte, and read back. Pure.

The shape is Compose's own (`docker compose publish`) with exactly one layer: older versions of Compose lose all
but the last. Image manifests are described in the OCI Image Specification 1.1, "Guidelines for Artifact Usage".
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from registry_app.errors import RegistryError
from registry_app.oci.digests import Digest
from stackgen.distribution.blobs import Blob, blob_of
from stackgen.errors import StackgenError

if TYPE_CHECKING:
    from collections.abc import Mapping

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
ARTIFACT_TYPE = "application/vnd.docker.compose.project"
LAYER_TYPE = "application/vnd.docker.compose.file+yaml"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
FILE_ANNOTATION = "com.docker.compose.file"
LAYER_LIMIT = 16 * 1024 * 1024
_EMPTY = b"{}"


@dataclass(frozen=True, slots=True)
class Artifact:
    """Everything to push, blobs first; the manifest's digest names the artifact."""

    layer: Blob
    config: Blob
    manifest: bytes

    @property
    def digest(self) -> Digest:
        """What `oci://…@` pins."""
        return Digest.of(self.manifest)


@dataclass(frozen=True, slots=True)
class PublishedLayer:
    """The one layer of an artifact that was read: where its Compose file lies, and how long it is in bytes."""

    digest: Digest
    size: int


def build_artifact(compose: bytes, *, annotations: Mapping[str, str]) -> Artifact:
    """The artifact of one Compose file; equal input gives equal bytes."""
    layer = blob_of(compose, media_type=LAYER_TYPE)
    config = blob_of(_EMPTY, media_type=EMPTY_TYPE)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "artifactType": ARTIFACT_TYPE,
        "config": config.descriptor(data=base64.b64encode(_EMPTY).decode()),
        "layers": [layer.descriptor(annotations={FILE_ANNOTATION: "compose.yaml"})],
        "annotations": dict(sorted(annotations.items())),
    }
    body = json.dumps(manifest, separators=(",", ":"), ensure_ascii=False).encode()
    return Artifact(layer=layer, config=config, manifest=body)


def parse_artifact(manifest: bytes) -> tuple[PublishedLayer, dict[str, str]]:
    """The Compose layer and the annotations of an artifact; StackgenError for anything that Compose can't run."""
    try:
        content = json.loads(manifest)
        if _kind(content) is None:
            raise _not_an_artifact("it is no compose artifact")
        layers = [one for one in content["layers"] if one["mediaType"] == LAYER_TYPE]
        if len(layers) != 1 or len(content["layers"]) != 1:
            raise _not_an_artifact(f"it has {len(content['layers'])} layers instead of one")
        layer = PublishedLayer(digest=Digest.parse(layers[0]["digest"]), size=int(layers[0]["size"]))
        annotations = {str(k): str(v) for k, v in (content.get("annotations") or {}).items()}
    except RecursionError:
        raise _not_an_artifact("its manifest is nested too deeply") from None
    except (ValueError, KeyError, TypeError, AttributeError, RegistryError) as error:
        raise _not_an_artifact(f"its manifest can't be read: {error}") from error
    if not 0 <= layer.size <= LAYER_LIMIT:
        raise _not_an_artifact(f"its layer has {layer.size} bytes")
    return layer, annotations


def _kind(content: dict[str, Any]) -> str | None:
    """The artifact's type where it is a compose project's, in the shape for registries of OCI 1.0 too."""
    fallback = content["config"]["mediaType"] == "application/vnd.docker.compose.config.empty.v1+json"
    return ARTIFACT_TYPE if content.get("artifactType") == ARTIFACT_TYPE or fallback else None


def _not_an_artifact(reason: str) -> StackgenError:
    return StackgenError(
        f"this is not a stack that `stackgen publish` made: {reason}", hint="is the address right, tag included?"
    )
