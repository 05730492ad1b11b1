"""Manifests, tags, repositories and referrers in the tree."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from registry_app.errors import ErrorCode
from registry_app.oci.digests import Digest
from registry_app.oci.manifests import parse_manifest
from registry_app.oci.media_types import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from registry_app.oci.names import Repository, Tag
from registry_app.storage.needs import MOST_LEVELS
from tests.registry_app.storage.pushing import (
    APP,
    body_of,
    descriptor,
    image,
    index,
    push_blob,
    push_document,
    push_image,
)
from tests.registry_app.storage.refusals import refused


def test_a_pushed_manifest_comes_back_byte_for_byte(storage):
    """By tag and by digest, with its type."""
    digest = push_image(storage, "v1")
    for reference in (Tag("v1"), digest):
        found = storage.manifests.get(APP, reference)
        assert found.body == body_of(image())
        assert (found.digest, found.media_type, found.size) == (digest, OCI_MANIFEST, len(found.body))


def test_revisions_and_tags_lie_where_distribution_looks_for_them(storage):
    """Links hold the digest without a newline."""
    digest = push_image(storage, "v1")
    manifests = storage.layout.root / "docker/registry/v2/repositories/team/app/_manifests"
    links = sorted(str(path.relative_to(manifests)) for path in manifests.rglob("*") if path.is_file())
    assert links == [
        f"revisions/sha256/{digest.hex}/link",
        "tags/v1/current/link",
        f"tags/v1/index/sha256/{digest.hex}/link",
    ]
    assert {(manifests / link).read_bytes() for link in links} == {str(digest).encode()}


@pytest.mark.parametrize(
    "place", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("nowhere"), lambda path: path.write_bytes(b"")]
)
def test_what_is_no_link_is_no_tag(storage, place):
    """A pipe, a folder, a symbolic link, an empty file: not there, and nobody waits for it."""
    push_image(storage, "v1")
    link = storage.layout.repositories / "team/app/_manifests/tags/v2/current/link"
    link.parent.mkdir(parents=True)
    place(link)
    with refused(ErrorCode.MANIFEST_UNKNOWN):
        storage.manifests.get(APP, Tag("v2"))


def test_a_manifest_without_its_blobs_is_refused(storage):
    """The answer names what is missing, and nothing is stored."""
    push_blob(storage, b"{}")
    with refused(ErrorCode.MANIFEST_BLOB_UNKNOWN) as caught:
        push_document(storage, image(), "v1")
    assert caught.value.detail == {"digests": [str(Digest.of(b"layer"))]}
    with refused(ErrorCode.MANIFEST_UNKNOWN):
        storage.manifests.get(APP, Tag("v1"))


def test_a_blob_of_another_repository_does_not_count(storage):
    """A manifest can't reach into a repository that its pusher may not read."""
    push_image(storage, "v1", Repository("secret"))
    with refused(ErrorCode.MANIFEST_BLOB_UNKNOWN):
        push_document(storage, image(), "v1")


def test_a_sparse_manifest_is_taken_where_that_is_allowed(storage):
    """Sparse means that what it refers to may be missing."""
    push_document(storage, image(), "v1", sparse=True)
    assert storage.manifests.get(APP, Tag("v1")).size > 0


def test_a_wrong_size_in_a_descriptor_is_refused(storage):
    """The size in a descriptor must be the blob's."""
    push_image(storage)
    document = image()
    document["layers"][0]["size"] += 1
    with refused(ErrorCode.MANIFEST_INVALID):
        push_document(storage, document, "v1")


def test_an_index_needs_its_children(storage):
    """Children first, then the index; a blob with the child's digest is no child."""
    child = image()
    for content in (b"{}", b"layer", body_of(child)):
        push_blob(storage, content)
    with refused(ErrorCode.MANIFEST_BLOB_UNKNOWN):
        push_document(storage, index(child), "multi")
    push_document(storage, child)
    push_document(storage, index(child), "multi")
    assert storage.manifests.get(APP, Tag("multi")).media_type == OCI_INDEX


def test_a_layer_that_is_named_again_and_again_is_looked_up_once(storage):
    """And told of once where it is missing: a manifest of 4 MiB names one 20,000 times."""
    push_blob(storage, b"{}")
    with refused(ErrorCode.MANIFEST_BLOB_UNKNOWN) as caught:
        push_document(storage, image(layers=(b"layer",) * 1000), "v1")
    assert caught.value.detail == {"digests": [str(Digest.of(b"layer"))]}


def test_indexes_in_indexes_end_somewhere(storage):
    """Each push reads all that is below; what lies at the last level that is allowed is still asked for."""
    push_image(storage)
    document = image()
    for _ in range(MOST_LEVELS):
        document = index(document)
        push_document(storage, document)
    with refused(ErrorCode.MANIFEST_INVALID) as caught:
        push_document(storage, index(document), "deep")
    assert "64 levels" in caught.value.detail["reason"]


def called(child, media_type):
    """The document of an index that calls its child so."""
    return {**index(), "manifests": [descriptor(body_of(child), media_type)]}


@pytest.mark.parametrize("sparse", [False, True])
def test_a_child_under_another_type_is_refused(storage, sparse):
    """Clients choose among children by what the index says that they are."""
    push_image(storage)
    for media_type in (OCI_INDEX, DOCKER_MANIFEST, "text/plain"):
        with refused(ErrorCode.MANIFEST_INVALID):
            push_document(storage, called(image(), media_type), "multi", sparse=sparse)
    push_document(storage, called(image(), OCI_MANIFEST), "multi", sparse=sparse)


def test_a_child_that_states_no_type_may_be_called_either_of_its_kind(storage):
    """The tree does not keep what it was pushed as, and who made the index knew it."""
    child = image()
    del child["mediaType"]
    push_image(storage)
    storage.manifests.put(APP, Tag("plain"), parse_manifest(body_of(child), OCI_MANIFEST))
    push_document(storage, called(child, OCI_MANIFEST), "multi")
    push_document(storage, called(child, DOCKER_MANIFEST), "multi")
    with refused(ErrorCode.MANIFEST_INVALID):
        push_document(storage, called(child, OCI_INDEX), "multi")


def test_a_child_of_another_repository_is_not_looked_at(storage):
    """Who may not read it learns nothing of it from an index that may be sparse."""
    push_image(storage, repository=Repository("private"))
    push_document(storage, called(image(), OCI_INDEX), "multi", sparse=True)


def test_a_subject_that_is_there_must_be_as_it_is_described(storage):
    """By its size and its type; one that comes later may be anything."""
    push_image(storage, "v1")
    right = descriptor(body_of(image()), OCI_MANIFEST)
    push_document(storage, image(subject=right))
    for wrong in ({**right, "size": 1}, {**right, "mediaType": OCI_INDEX}):
        with refused(ErrorCode.MANIFEST_INVALID):
            push_document(storage, image(subject=wrong))
    push_document(storage, image(subject=descriptor(b"later", OCI_MANIFEST)))


def test_a_manifest_under_another_digest_is_refused(storage):
    """What is pushed by digest must have it."""
    push_image(storage)
    with refused(ErrorCode.DIGEST_INVALID):
        storage.manifests.put(APP, Digest.of(b"other"), parse_manifest(body_of(image()), OCI_MANIFEST))


def test_a_manifest_may_have_a_sha512_digest_and_several_tags(storage):
    """`?tag=` with a digest of the other algorithm."""
    push_image(storage)
    body = body_of(image())
    digest = Digest.of(body, "sha512")
    storage.manifests.put(APP, digest, parse_manifest(body, OCI_MANIFEST), tags=[Tag("a"), Tag("b")])
    assert storage.manifests.get(APP, Tag("a")).digest == digest
    assert storage.manifests.get(APP, Tag("b")).digest == digest


def test_deleting_a_manifest_takes_its_tags_along(storage):
    """Tags of other manifests stay, and nothing of the deleted one can be read."""
    first, second = push_image(storage, "a"), push_image(storage, "b", layers=(b"2",))
    push_image(storage, "also-a")
    storage.manifests.delete(APP, first)
    assert storage.tags.list(APP) == ["b"]
    for reference in (first, Tag("a"), Tag("also-a")):
        with refused(ErrorCode.MANIFEST_UNKNOWN):
            storage.manifests.get(APP, reference)
    assert storage.manifests.get(APP, second).digest == second
    with refused(ErrorCode.MANIFEST_UNKNOWN):
        storage.manifests.delete(APP, first)


def test_deleting_a_tag_keeps_the_manifest(storage):
    """The image can still be pulled by digest."""
    digest = push_image(storage, "a")
    storage.manifests.delete(APP, Tag("a"))
    assert storage.tags.list(APP) == []
    assert storage.manifests.get(APP, digest).digest == digest
    with refused(ErrorCode.MANIFEST_UNKNOWN):
        storage.manifests.delete(APP, Tag("a"))


@pytest.mark.parametrize("content", [b"", b"broken", b"sha256:" + b"0" * 64])
def test_a_damaged_tag_link_means_unknown(storage, content):
    """What upstream answers with 500 is a plain 404 here, and a push mends it."""
    push_image(storage, "a")
    storage.layout.current(APP, Tag("a")).write_bytes(content)
    with refused(ErrorCode.MANIFEST_UNKNOWN):
        storage.manifests.get(APP, Tag("a"))
    push_image(storage, "a")
    assert storage.manifests.get(APP, Tag("a")).size


def test_leftovers_of_other_writers_are_no_tags(storage):
    """Temporary links, empty folders and odd names are passed over."""
    push_image(storage, "a")
    tags = storage.layout.tags(APP)
    (tags / "half" / "current").mkdir(parents=True)
    (tags / "half" / "current" / "link.1234.tmp").write_bytes(b"sha256:")
    (tags / ".odd").mkdir()
    (tags / "file").write_bytes(b"")
    (tags / "zero" / "current").mkdir(parents=True)
    (tags / "zero" / "current" / "link").write_bytes(b"")
    assert storage.tags.list(APP) == ["a"]


def test_a_manifest_that_was_damaged_is_never_served(storage):
    """Bytes that do not have their digest are unknown until they are pushed again."""
    digest = push_image(storage, "a")
    path = storage.layout.blob(digest)
    path.write_bytes(path.read_bytes().replace(b"layer", b"LAYER"))
    for reference in (digest, Tag("a")):
        with refused(ErrorCode.MANIFEST_UNKNOWN):
            storage.manifests.get(APP, reference)
    push_image(storage, "a")
    assert storage.manifests.get(APP, Tag("a")).digest == digest


def test_tags_come_sorted_and_in_pages(storage):
    """`last` need not exist; a limit of none is none."""
    push_image(storage)
    for name in ("b", "a", "C", "10", "2"):
        push_document(storage, image(), name)
    assert storage.tags.list(APP) == ["10", "2", "C", "a", "b"]
    assert storage.tags.list(APP, last="2", limit=2) == ["C", "a"]
    assert storage.tags.list(APP, last="D") == ["a", "b"]
    assert storage.tags.list(APP, limit=0) == []
    with refused(ErrorCode.NAME_UNKNOWN):
        storage.tags.list(Repository("none"))


def test_repositories_come_sorted_by_component(storage):
    """Folders that only lead to others are no repositories; a page starts after any name."""
    names = ["a", "a/b", "a/b/c", "a-b", "b/c", "z"]
    for name in names:
        push_blob(storage, b"x", Repository(name))
    assert storage.repositories.list() == names
    for place, name in enumerate(names):
        assert storage.repositories.list(last=name) == names[place + 1 :]
        assert storage.repositories.list(last=name, limit=1) == names[place + 1 : place + 2]
    assert storage.repositories.list(last="a/bb") == names[3:]
    assert storage.repositories.list(last="b") == names[4:]
    assert list(storage.repositories.search("b")) == ["a/b", "a/b/c", "a-b", "b/c"]
    assert not storage.repositories.exists(Repository("b"))


def test_deleting_a_repository_keeps_those_below_it(storage):
    """Everything of it is gone at once, and a new push starts anew."""
    below = Repository("team/app/below")
    digest = push_image(storage, "a")
    push_image(storage, "a", below)
    storage.repositories.delete(APP)
    assert storage.repositories.list() == ["team/app/below"]
    with refused(ErrorCode.MANIFEST_UNKNOWN):
        storage.manifests.get(APP, digest)
    with refused(ErrorCode.BLOB_UNKNOWN):
        storage.blobs.stat(APP, Digest.of(b"layer"))
    with refused(ErrorCode.MANIFEST_BLOB_UNKNOWN):
        push_document(storage, image(), "a")
    with refused(ErrorCode.NAME_UNKNOWN):
        storage.repositories.delete(APP)
    assert storage.manifests.get(below, Tag("a")).digest == digest


def test_referrers_are_found_by_their_subject(storage):
    """Sorted, filtered by artifact type, with annotations; the subject need not exist."""
    subject = image(layers=[b"1"])
    about = descriptor(body_of(subject), OCI_MANIFEST)
    first = push_image(storage, layers=(b"sig",), subject=about, artifactType="a/sig", annotations={"k": "v"})
    second = push_image(storage, layers=(b"sbom",), subject=about)
    push_image(storage, layers=(b"other",))
    digest = Digest.parse(about["digest"])
    found = list(storage.referrers.iterate(APP, digest))
    assert [one["digest"] for one in found] == sorted([str(first), str(second)])
    assert list(storage.referrers.iterate(APP, digest, artifact_type="a/sig")) == [
        {
            "mediaType": OCI_MANIFEST,
            "digest": str(first),
            "size": storage.manifests.get(APP, first).size,
            "artifactType": "a/sig",
            "annotations": {"k": "v"},
        }
    ]
    storage.manifests.delete(APP, first)
    assert [one["digest"] for one in storage.referrers.iterate(APP, digest)] == [str(second)]
    assert list(storage.referrers.iterate(Repository("other"), digest)) == []


def test_referrers_kept_under_a_fallback_tag_are_taken_over(storage):
    """An index that clients kept for registries without referrers counts, as far as its entries exist."""
    subject = Digest.of(b"subject")
    signature = image(layers=[b"sig"])
    digest = push_image(storage, layers=(b"sig",))
    gone = image(layers=[b"gone"])
    push_document(storage, index(signature, gone), f"sha256-{subject.hex}", sparse=True)
    assert [one["digest"] for one in storage.referrers.iterate(APP, subject)] == [str(digest)]
