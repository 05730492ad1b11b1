"""The tree that the benchmark writes is one that registries read."""

from __future__ import annotations

import json
from hashlib import sha256

from bench.tree import V2, write_tree


def test_every_link_of_the_tree_leads_to_a_blob_with_that_digest(tmp_path):
    """Tags name revisions, revisions name manifests, and manifests name layers that are there."""
    tree = write_tree(tmp_path, repositories=3, tags=2, many=4, large=2 << 20)
    for image in tree.images:
        repository = tmp_path / V2 / "repositories" / image.repository
        tag = (repository / "_manifests" / "tags" / image.tag / "current" / "link").read_text()
        assert tag == image.manifest
        manifest = json.loads(blob(tmp_path, tag))
        for descriptor in (manifest["config"], *manifest["layers"]):
            assert len(blob(tmp_path, descriptor["digest"])) == descriptor["size"]
            assert (repository / "_layers" / descriptor["digest"].replace(":", "/") / "link").is_file()
    assert len(blob(tmp_path, tree.large_blob)) == tree.large_size
    assert len(list((tmp_path / V2 / "repositories" / tree.many_tags / "_manifests" / "tags").iterdir())) == 4


def blob(root, digest):
    """The bytes of a blob, which are those that its digest says."""
    algorithm, value = digest.split(":")
    data = (root / V2 / "blobs" / algorithm / value[:2] / value / "data").read_bytes()
    assert sha256(data).hexdigest() == value
    return data
