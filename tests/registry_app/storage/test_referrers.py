"""Lists of referrers, in the cases that readers of the specification ask about."""

from __future__ import annotations

import json
import sqlite3
import tracemalloc
from itertools import islice

import pytest

from registry_app.oci.digests import Digest
from registry_app.oci.manifests import parse_manifest
from registry_app.oci.media_types import OCI_INDEX, OCI_MANIFEST
from registry_app.oci.names import Tag
from registry_app.storage.manifests import Manifests
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

SIZE = len(body_of(image()))


def signature_of(subject, size=SIZE, **more):
    """The document of a signature of what `push_image` pushes, or of something of another size."""
    described = {"mediaType": OCI_MANIFEST, "digest": str(subject), "size": size}
    return image(artifactType="a/sig", subject=described, **more)


@pytest.fixture
def signed(storage):
    """An image, and its untagged signature: both digests."""
    subject = push_image(storage, "v1")
    return subject, push_document(storage, signature_of(subject))


def listed(storage, subject):
    """The digests that are listed."""
    return [Digest.parse(one["digest"]) for one in storage.referrers.iterate(APP, subject)]


def test_an_untagged_referrer_is_listed(storage, signed):
    """Signatures have no tags."""
    subject, signature = signed
    assert listed(storage, subject) == [signature]


def test_a_deleted_referrer_is_not_listed(storage, signed):
    """Nor is it when it was listed before."""
    subject, signature = signed
    assert listed(storage, subject) == [signature]
    storage.manifests.delete(APP, signature)
    assert listed(storage, subject) == []


def test_a_referrer_stays_listed_when_its_subject_is_deleted(storage, signed):
    """Until it is deleted or collected itself: it is a manifest of its own."""
    subject, signature = signed
    storage.manifests.delete(APP, subject)
    assert listed(storage, subject) == [signature]


def test_a_subject_may_come_later_or_never(storage):
    """A referrer may be pushed before what it refers to."""
    for content in (b"{}", b"layer"):
        push_blob(storage, content)
    subject = Digest.of(body_of(image(annotations={"later": "yes"})))
    signature = push_document(storage, signature_of(subject))
    assert listed(storage, subject) == [signature]
    assert push_document(storage, image(annotations={"later": "yes"}), "v2") == subject
    assert listed(storage, subject) == [signature]


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("of_subject", ["sha256", "sha512"])
def test_both_may_be_named_by_either_algorithm(storage, algorithm, of_subject):
    """The subject counts as it is written in the referrer."""
    push_image(storage, "v1")
    subject = Digest.of(body_of(image()), of_subject)
    body = body_of(signature_of(subject))
    digest = storage.manifests.put(APP, Digest.of(body, algorithm), parse_manifest(body, OCI_MANIFEST))
    assert digest.algorithm == algorithm
    assert listed(storage, subject) == [digest]
    other = {"sha256": "sha512", "sha512": "sha256"}[of_subject]
    assert listed(storage, Digest.of(body_of(image()), other)) == []


def test_an_index_refers_too(storage, signed):
    """Its artifact type is its own alone, for it has no config."""
    subject, _ = signed
    document = index(image(), artifactType="a/bundle", subject=descriptor(body_of(image()), OCI_MANIFEST))
    digest = push_document(storage, document)
    (one,) = storage.referrers.iterate(APP, subject, artifact_type="a/bundle")
    assert (one["digest"], one["mediaType"]) == (str(digest), OCI_INDEX)


@pytest.mark.parametrize("with_subject", [True, False])
def test_a_fallback_tag_is_taken_over_with_and_without_subjects(storage, with_subject):
    """Each entry once, with the descriptor that its manifest gives it, and only as long as the manifest is there."""
    subject = push_image(storage, "v1")
    document = signature_of(subject) if with_subject else image(artifactType="a/sig")
    signature = push_document(storage, document)
    fallback = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [descriptor(body_of(document), OCI_MANIFEST)]}
    push_document(storage, fallback, f"sha256-{subject.hex}")
    (one,) = storage.referrers.iterate(APP, subject)
    assert one["digest"] == str(signature)
    assert one["artifactType"] == "a/sig"
    storage.manifests.delete(APP, Tag(f"sha256-{subject.hex}"))
    assert listed(storage, subject) == ([signature] if with_subject else [])
    push_document(storage, fallback, f"sha256-{subject.hex}")
    storage.manifests.delete(APP, signature)
    assert listed(storage, subject) == []


def test_a_fallback_tag_that_holds_no_index_is_nothing(storage):
    """Anybody may push a tag of that name."""
    subject = push_image(storage, "v1")
    push_image(storage, f"sha256-{subject.hex}")
    assert listed(storage, subject) == []


def test_a_damaged_referrer_is_not_listed_and_hides_no_other(storage, signed):
    """One that can't be served would only lead clients astray."""
    subject, signature = signed
    other = push_document(storage, signature_of(subject, annotations={"number": "2"}))
    storage.layout.blob(other).write_bytes(json.dumps(signature_of(subject)).encode() + b" ")
    assert listed(storage, subject) == [signature]
    storage.layout.blob(other).unlink()
    assert listed(storage, subject) == [signature]


def pushed(storage, count, **annotations):
    """An image, and the digests of so many signatures of it in their order."""
    subject = push_image(storage, "v1")
    documents = (signature_of(subject, annotations={"number": str(number), **annotations}) for number in range(count))
    return subject, sorted(push_document(storage, document) for document in documents)


@pytest.fixture
def two_at_a_time(monkeypatch):
    """The index answers, and takes, no more than two facts at once."""
    for module in ("index", "referrers"):
        monkeypatch.setattr(f"registry_app.storage.{module}.MOST_FACTS", 2)


@pytest.mark.usefixtures("two_at_a_time")
@pytest.mark.parametrize("count", range(6))
def test_many_are_asked_for_in_pieces(storage, count):
    """Each is told once and in order, from any digest on, and by type; a fallback tag's are among them."""
    subject, signatures = pushed(storage, count)
    other = image(artifactType="a/other")
    children = [other, *(signature_of(subject, annotations={"number": str(number)}) for number in range(count))]
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX}
    document["manifests"] = [descriptor(body_of(child), OCI_MANIFEST) for child in children]
    all_of_them = sorted([push_document(storage, other), *signatures])
    push_document(storage, document, f"sha256-{subject.hex}")
    assert listed(storage, subject) == all_of_them
    for place, last in enumerate(all_of_them, 1):
        rest = storage.referrers.iterate(APP, subject, last=str(last))
        assert [one["digest"] for one in rest] == [str(digest) for digest in all_of_them[place:]]
    of_type = storage.referrers.iterate(APP, subject, artifact_type="a/sig")
    assert [one["digest"] for one in of_type] == [str(digest) for digest in signatures]


@pytest.mark.usefixtures("two_at_a_time")
def test_what_the_index_could_not_keep_is_told_in_order(storage, monkeypatch):
    """While somebody else holds it, for example; nothing is missing later."""
    monkeypatch.setattr("registry_app.storage.index_database._BUSY_SECONDS", 0.05)
    subject, first = pushed(storage, 3)
    assert listed(storage, subject) == first
    _, signatures = pushed(storage, 7)
    blocker = sqlite3.connect(storage.layout.index, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    assert listed(storage, subject) == signatures
    blocker.execute("ROLLBACK")
    blocker.close()
    assert listed(storage, subject) == signatures
    assert storage.index.count() == (8, 7)


def test_only_what_is_taken_is_looked_up(storage, monkeypatch):
    """However many there are behind it."""
    subject, signatures = pushed(storage, 20)
    assert listed(storage, subject) == signatures
    looked = []
    exists = Manifests.exists
    monkeypatch.setattr(Manifests, "exists", lambda *one: looked.append(one) or exists(*one))
    taken = islice(storage.referrers.iterate(APP, subject), 3)
    assert [one["digest"] for one in taken] == [str(digest) for digest in signatures[:3]]
    assert len(looked) <= 4


def test_large_annotations_are_neither_kept_nor_held(storage):
    """One manifest of megabytes is in memory at a time, whoever asks, and the index stays small."""
    subject, signatures = pushed(storage, 12, long="x" * 3_000_000)
    tracemalloc.start()
    try:
        told = [(one["digest"], len(one["annotations"]["long"])) for one in storage.referrers.iterate(APP, subject)]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert told == [(str(digest), 3_000_000) for digest in signatures]
    assert peak < 24_000_000
    assert sum(file.stat().st_size for file in storage.layout.own.glob("index.sqlite*")) < 1_000_000
