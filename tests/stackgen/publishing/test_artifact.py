"""The artifact is Compose's own shape, to the byte, with one layer."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_app.oci.manifests import parse_manifest
from stackgen.errors import StackgenError
from stackgen.publishing.artifact import MANIFEST_TYPE, build_artifact, parse_artifact

NOTES = {"org.opencontainers.image.created": "2026-11-21T12:00:00Z", "a": "ü"}


@given(st.binary(max_size=200))
def test_what_was_built_reads_back_and_repeats(content):
    """Same bytes in, same digest out; the layer is found with its size."""
    artifact = build_artifact(content, annotations=NOTES)
    assert artifact == build_artifact(content, annotations=dict(reversed(NOTES.items())))
    layer, annotations = parse_artifact(artifact.manifest)
    assert (layer.digest, layer.size) == (artifact.layer.digest, len(content))
    assert annotations == NOTES


def test_the_manifest_has_the_shape_that_compose_pushes():
    """Artifact type, empty config with its data, one layer that says which file it is."""
    manifest = json.loads(build_artifact(b"name: x\n", annotations={}).manifest)
    assert manifest["artifactType"] == "application/vnd.docker.compose.project"
    assert manifest["config"]["data"] == "e30="
    (layer,) = manifest["layers"]
    assert layer["mediaType"] == "application/vnd.docker.compose.file+yaml"
    assert layer["annotations"] == {"com.docker.compose.file": "compose.yaml"}


def test_our_own_registry_accepts_it():
    """Every check of a pushed manifest passes."""
    parse_manifest(build_artifact(b"name: x\n", annotations=NOTES).manifest, MANIFEST_TYPE)


def changed(**fields):
    """A manifest with some fields replaced."""
    return json.dumps(json.loads(build_artifact(b"x", annotations={}).manifest) | fields).encode()


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (b"", "can't be read"),
        (b"[]", "can't be read"),
        (b"[" * 100_000, "nested too deeply"),
        (changed(artifactType="application/vnd.example"), "no compose artifact"),
        (changed(layers=[]), "0 layers"),
        (changed(layers=[{"mediaType": "application/vnd.docker.compose.file+yaml", "digest": "sha256:1", "size": 1}]), "can't be read"),
        (changed(layers=[{"mediaType": "application/vnd.docker.compose.file+yaml", "digest": "sha256:" + "0" * 64, "size": 10**12}]), "bytes"),
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_the_reason(manifest, words):
    """A stranger's manifest never breaks the tool."""
    with pytest.raises(StackgenError, match=words):
        parse_artifact(manifest)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda c: (
            st.lists(c)
            | st.dictionaries(
                st.sampled_from(["layers", "config", "mediaType", "artifactType", "digest", "size", "annotations"]), c
            )
        ),
    )
)
def test_no_json_breaks_the_reader(value):
    """Any JSON is an artifact or a refusal."""
    try:
        parse_artifact(json.dumps(value).encode())
    except StackgenError as error:
        assert error.hint  # noqa: PT017
