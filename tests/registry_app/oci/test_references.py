"""What stored manifests refer to, those of other registries among them."""

from __future__ import annotations

import json

import pytest

from registry_app.oci.digests import Digest
from registry_app.oci.media_types import OCI_INDEX, OCI_MANIFEST
from registry_app.oci.references import parse_references

CONFIG, LAYER, CHILD, SUBJECT = (Digest.of(name) for name in (b"config", b"layer", b"child", b"subject"))


def parsed(**document):
    """The references of a document."""
    return parse_references(json.dumps(document).encode())


def described(digest, **more):
    """A descriptor of this digest."""
    return {"digest": str(digest), "size": 1, **more}


def test_an_image_needs_its_config_and_layers():
    """An artifact's type is its config's media type where it says no other."""
    found = parsed(config=described(CONFIG, mediaType="a/b"), layers=[described(LAYER)], subject=described(SUBJECT))
    assert found.blobs == {CONFIG, LAYER}
    assert (found.subject, found.artifact_type, found.media_type) == (SUBJECT, "a/b", OCI_MANIFEST)


def test_an_index_needs_its_children():
    """Without a media type the list tells what it is."""
    found = parsed(manifests=[described(CHILD)])
    assert (found.children, found.media_type) == ((CHILD,), OCI_INDEX)


def test_a_manifest_of_schema_1_needs_its_layers():
    """Nobody can push one any more, but volumes have them."""
    found = parsed(schemaVersion=1, fsLayers=[{"blobSum": str(LAYER)}])
    assert found.blobs == {LAYER}
    assert found.media_type == "application/vnd.docker.distribution.manifest.v1+prettyjws"


def test_an_artifact_needs_its_blobs():
    """The short-lived artifact manifest of OCI 1.1's candidates."""
    assert parsed(mediaType="application/vnd.oci.artifact.manifest.v1+json", blobs=[described(LAYER)]).blobs == {LAYER}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b"\xff",
        b"[" * 100_000,
        b'{"layers": []}',
        b'{"config": {}}',
        b'{"config": {"digest": "sha256:0"}}',
        b'{"config": {"digest": 7}}',
        b'{"manifests": ["sha256"]}',
        b'{"manifests": 7}',
        b'{"manifests": [{}]}',
        b'{"manifests": [], "subject": {"size": 1}}',
        b'{"manifests": [], "subject": "x"}',
    ],
)
def test_what_cannot_be_told_is_an_error(body):
    """One kind of error for each: a collection then keeps everything that might be meant."""
    with pytest.raises(ValueError):  # noqa: PT011 - any text will do
        parse_references(body)
