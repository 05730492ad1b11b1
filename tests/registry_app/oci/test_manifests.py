"""Manifests and indexes."""

from __future__ import annotations

import base64
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_app.errors import ErrorCode, RegistryError
from registry_app.oci.digests import Digest
from registry_app.oci.json_documents import DEEPEST
from registry_app.oci.manifests import LARGEST_MANIFEST, parse_manifest
from registry_app.oci.media_types import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG = "application/vnd.oci.image.config.v1+json"


def descriptor(content=b"x", media_type=LAYER, **more):
    """A descriptor of this content, with fields added or changed."""
    return {"mediaType": media_type, "digest": str(Digest.of(content)), "size": len(content), **more}


def image(**changes):
    """An image manifest, with fields added or changed."""
    return {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(b"{}", CONFIG),
        "layers": [descriptor()],
        **changes,
    }


def index(**changes):
    """An index, with fields added or changed."""
    return {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [descriptor(b"m", OCI_MANIFEST)], **changes}


def parse(document, content_type=None):
    """Parses a document under its own media type."""
    return parse_manifest(json.dumps(document).encode(), content_type or document.get("mediaType"))


def reason(body, content_type=OCI_MANIFEST):
    """Why this body is refused."""
    with pytest.raises(RegistryError) as caught:
        parse_manifest(body if isinstance(body, bytes) else json.dumps(body).encode(), content_type)
    assert caught.value.code is ErrorCode.MANIFEST_INVALID
    return caught.value.detail["reason"]


def test_an_image_names_its_config_and_layers():
    """What an image refers to comes out typed, in order."""
    manifest = parse(
        image(
            layers=[descriptor(b"1"), descriptor(b"2")], subject=descriptor(b"s", OCI_MANIFEST), annotations={"a": "b"}
        )
    )
    assert [str(one.digest) for one in manifest.blobs] == [str(Digest.of(c)) for c in (b"{}", b"1", b"2")]
    assert manifest.subject.digest == Digest.of(b"s")
    assert manifest.artifact_type == CONFIG
    assert manifest.annotations == {"a": "b"}
    assert not manifest.is_index


def test_an_index_names_its_children():
    """An index has children and no blobs."""
    manifest = parse(index(artifactType="a/b"))
    assert [one.digest for one in manifest.children] == [Digest.of(b"m")]
    assert manifest.blobs == ()
    assert manifest.artifact_type == "a/b"
    assert manifest.is_index


@pytest.mark.parametrize("media_type", [DOCKER_MANIFEST, DOCKER_LIST])
def test_dockers_own_types_are_manifests(media_type):
    """Schema 2 and manifest lists are on by default."""
    document = index(mediaType=media_type) if media_type == DOCKER_LIST else image(mediaType=media_type)
    assert parse(document).media_type == media_type


def test_content_type_decides_where_the_document_is_silent():
    """An OCI document need not state its type, and Content-Type may carry parameters."""
    document = image()
    del document["mediaType"]
    assert parse(document, OCI_MANIFEST + "; charset=utf-8").media_type == OCI_MANIFEST
    assert parse_manifest(json.dumps(image()).encode(), None).media_type == OCI_MANIFEST


@pytest.mark.parametrize(("document", "media_type"), [(image(), DOCKER_MANIFEST), (index(), DOCKER_LIST)])
def test_a_docker_manifest_states_its_type_itself(document, media_type):
    """Without it, it would be served as one of OCI's."""
    del document["mediaType"]
    with pytest.raises(RegistryError) as refused:
        parse(document, media_type)
    assert "mediaType is missing" in str(refused.value.detail)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (image(mediaType=OCI_INDEX), "differs"),
        (image(manifests=[]), "no 'manifests'"),
        (image(schemaVersion=1), "schema 1"),
        (image(fsLayers=[]), "schema 1"),
        (image(schemaVersion=2.0), "schemaVersion"),
        (image(schemaVersion="2"), "schemaVersion"),
        (image(config=None), "config"),
        (image(config=[]), "config"),
        (image(layers={}), "'layers'"),
        (image(layers=[descriptor(size=True)]), "layers[0].size"),
        (image(layers=[{**descriptor(), "size": -1}]), "layers[0].size"),
        (image(layers=[{**descriptor(), "size": 1.0}]), "layers[0].size"),
        (image(layers=[{**descriptor(), "size": 2**63}]), "layers[0].size"),
        (image(layers=[{**descriptor(), "digest": "sha256:00"}]), "layers[0].digest"),
        (image(layers=[{**descriptor(), "digest": 5}]), "layers[0].digest"),
        (image(layers=[descriptor(media_type="layer")]), "layers[0].mediaType"),
        (image(layers=[descriptor(media_type="a/b; c")]), "layers[0].mediaType"),
        (image(layers=[descriptor(), descriptor(urls="http://x")]), "layers[1].urls"),
        (image(layers=[descriptor(annotations={"a": 1})]), "layers[0].annotations"),
        (image(layers=[descriptor(data="!")]), "layers[0].data"),
        (image(layers=[descriptor(data=base64.b64encode(b"y").decode())]), "layers[0].data"),
        (image(layers=[descriptor(data=5)]), "layers[0].data"),
        (image(layers=[{**descriptor(), "Digest": str(Digest.of(b"y"))}]), "'Digest'"),
        (image(Layers=[]), "'Layers'"),
        (image(subject="x"), "subject"),
        (image(annotations=[]), "annotations"),
        (image(artifactType="x y"), "artifactType"),
        ({**image(), "mediaType": 5}, "mediaType"),
        ([], "object"),
    ],
)  # fmt: skip
def test_a_bad_image_is_refused_with_its_place(document, expected):
    """The message names the place and what is wrong there."""
    assert expected in reason(document)


def test_lists_must_be_there_but_may_be_null():
    """Go writes an empty list as null; an image without the field is no image."""
    assert parse(image(layers=None)).layers == ()
    document = image()
    del document["layers"]
    assert "'layers'" in reason(document)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (index(layers=[]), "no 'layers'"),
        (index(config=descriptor()), "no 'config'"),
        (index(manifests=[descriptor()]), "holds manifests only"),
        (index(manifests=[descriptor(media_type=CONFIG)]), "holds manifests only"),
        (index(manifests=[descriptor(media_type="application/vnd.docker.image.rootfs.diff.tar.gzip")]), "holds manifests only"),
        (index(manifests="x"), "'manifests'"),
    ],
)  # fmt: skip
def test_a_bad_index_is_refused(document, expected):
    """An index that reads as an image to someone, or points at a layer, is no index."""
    assert expected in reason(document, OCI_INDEX)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "not JSON"),
        (b"\xff", "not UTF-8"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        ("{}".encode("utf-16"), "not UTF-8"),
        (b'{"schemaVersion":2,"schemaVersion":2}', "occurs twice"),
        (b'{"a":{"b":1,"b":2}}', "occurs twice"),
        (b'{"a":NaN}', "NaN"),
        (b'{"a":' + b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1) + b"}", "nested"),
        (b"[" * 2_000_000, "nested"),
        (b'{"a":' * 500_000, "nested"),
        (b'{"a":' + b"1" * 5000 + b"}", "digits"),
        (b'"' + b'\\"' * 1_000_000, "not JSON"),
        (b'{"a":"[[[[' + b"[" * 1000 + b'"}', "media type"),
        (b"{} {}", "not JSON"),
        (b'{"a":"\\ud800"}', "half a character"),
        (b'{"a":{"x\\uDFFFy":1}}', "half a character"),
    ],
    ids=lambda value: repr(value[:12]),
)  # fmt: skip
def test_a_body_that_is_no_plain_json_is_refused_quickly(body, expected):
    """Bombs and ambiguities end in one answer, in time."""
    started = time.process_time()
    assert expected in reason(body, None)
    assert time.process_time() - started < 2


def test_characters_may_be_written_as_pairs_of_surrogates():
    """As JSON has it for those beyond the first 65,536; an escaped backslash before the letters means nothing."""
    body = json.dumps(image(annotations={"a": "\U0001f600", "b": "\\ud800"})).encode()
    assert b"\\ud83d\\ude00" in body
    assert parse_manifest(body, OCI_MANIFEST).annotations == {"a": "\U0001f600", "b": "\\ud800"}


def test_schema_1_is_refused_by_its_content_type_with_a_way_out():
    """The message says what to do."""
    assert "push it again" in reason({"schemaVersion": 1}, "application/vnd.docker.distribution.manifest.v1+prettyjws")


def test_an_unknown_type_is_refused():
    """application/json is not the type of a manifest."""
    assert "none of" in reason({"schemaVersion": 2}, "application/json")


def test_a_manifest_over_4_mib_is_too_large():
    """413, not 400, and before anything is parsed."""
    with pytest.raises(RegistryError) as caught:
        parse_manifest(b" " * (LARGEST_MANIFEST + 1), OCI_MANIFEST)
    assert caught.value.code is ErrorCode.MANIFEST_TOO_LARGE


def test_data_in_a_descriptor_that_matches_is_taken():
    """Embedded content with the right digest and size is fine."""
    assert parse(image(layers=[descriptor(b"abc", data=base64.b64encode(b"abc").decode())])).layers[0].size == 3


def test_a_non_distributable_layer_may_lie_elsewhere():
    """Only layers of these types may be missing."""
    foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
    first, second = parse(
        image(layers=[descriptor(media_type=foreign), descriptor(urls=["https://example.com"])])
    ).layers
    assert first.lies_elsewhere
    assert not second.lies_elsewhere


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["mediaType", "digest", "size", "config", "layers", "manifests", "subject", "annotations", "x"]), inner, max_size=4),
    max_leaves=10,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(["config", "layers", "manifests", "subject", "annotations", "artifactType", "mediaType"]), json_values), st.sampled_from([OCI_MANIFEST, OCI_INDEX]))  # fmt: skip
def test_any_document_is_taken_or_refused_as_invalid(changes, media_type):
    """No document, however strange, ends in another kind of error."""
    base = image() if media_type == OCI_MANIFEST else index()
    outcome = None
    try:
        parse_manifest(json.dumps({**base, **changes}).encode(), media_type)
    except RegistryError as error:
        outcome = error.code
    assert outcome in (None, ErrorCode.MANIFEST_INVALID)


@given(st.binary(max_size=200))
def test_any_bytes_are_taken_or_refused_as_invalid(body):
    """Bytes that are no manifest are refused, never a crash."""
    with pytest.raises(RegistryError):
        parse_manifest(body, None)
