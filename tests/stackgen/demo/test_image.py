"""The demo's image is a real one."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile

from stackgen.demo.image import build_image


def _content(blob) -> bytes:
    with blob.open() as source:
        return source.read()


def test_layer():
    """The layer holds the text."""
    _, layer = build_image("hello.txt", "hello ☃").blobs
    with tarfile.open(fileobj=io.BytesIO(_content(layer)), mode="r:gz") as archive:
        assert archive.getnames() == ["hello.txt"]
        assert archive.extractfile("hello.txt").read().decode() == "hello ☃"


def test_configuration():
    """The configuration names the layer by its digest before compression."""
    config, layer = build_image("hello.txt", "hello").blobs
    diff = hashlib.sha256(gzip.decompress(_content(layer))).hexdigest()
    assert json.loads(_content(config))["rootfs"]["diff_ids"] == [f"sha256:{diff}"]


def test_manifest():
    """The manifest describes each blob with its digest and size."""
    image = build_image("hello.txt", "hello")
    manifest = json.loads(image.manifest)
    for described, blob in zip([manifest["config"], *manifest["layers"]], image.blobs, strict=True):
        content = _content(blob)
        assert described["digest"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
        assert described["size"] == len(content)


def test_same_bytes():
    """The same text gives the same image, another text another one."""
    assert build_image("a", "b").manifest == build_image("a", "b").manifest
    assert build_image("a", "b").manifest != build_image("a", "c").manifest
