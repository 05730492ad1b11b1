"""Pushes to a store as a client does: blobs first, then the manifest that refers to them."""

from __future__ import annotations

import io
import json

from registry_app.oci.digests import Digest
from registry_app.oci.manifests import parse_manifest
from registry_app.oci.media_types import OCI_INDEX, OCI_MANIFEST
from registry_app.oci.names import Repository, parse_reference

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG = "application/vnd.oci.image.config.v1+json"
APP = Repository("team/app")


def body_of(document):
    """The bytes of a manifest."""
    return json.dumps(document).encode()


def descriptor(content, media_type=LAYER, algorithm="sha256"):
    """The descriptor of some content."""
    return {"mediaType": media_type, "digest": str(Digest.of(content, algorithm)), "size": len(content)}


def image(config=b"{}", layers=(b"layer",), **more):
    """The document of an image with these contents."""
    described = [descriptor(layer) for layer in layers]
    return {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": descriptor(config, CONFIG), "layers": described, **more}  # fmt: skip


def index(*children, **more):
    """The document of an index over the documents of images."""
    described = [descriptor(body_of(child), child["mediaType"]) for child in children]
    return {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": described, **more}


def push_blob(storage, content, repository=APP, algorithm="sha256"):
    """Uploads one blob in one piece."""
    upload = storage.uploads.start(repository, algorithm=algorithm)
    return storage.uploads.finish(repository, upload.id, Digest.of(content, algorithm), io.BytesIO(content))


def push_document(storage, document, reference=None, repository=APP, **more):
    """Pushes a manifest under a tag, or under its digest."""
    body = body_of(document)
    named = parse_reference(reference) if reference else Digest.of(body)
    return storage.manifests.put(repository, named, parse_manifest(body, document["mediaType"]), **more)


def place_manifest(storage, document, repository=APP):
    """Writes a manifest into the tree, as another registry does."""
    body = body_of(document)
    digest = Digest.of(body)
    for path, content in (
        (storage.layout.blob(digest), body),
        (storage.layout.revision(repository, digest), str(digest).encode()),
    ):
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    return digest


def push_image(storage, reference=None, repository=APP, config=b"{}", layers=(b"layer",), **more):
    """Pushes an image with everything in it."""
    for content in (config, *layers):
        push_blob(storage, content, repository)
    return push_document(storage, image(config, layers, **more), reference, repository)
