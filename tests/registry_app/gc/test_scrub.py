"""Scrubs."""

from __future__ import annotations

import random

from registry_app.errors import ErrorCode
from registry_app.gc.scrub import quarantined, scrub
from registry_app.oci.digests import Digest
from registry_app.oci.names import Repository, Tag
from tests.registry_app.storage.pushing import APP, image, index, push_blob, push_document, push_image
from tests.registry_app.storage.refusals import refused


def flip(path, pick):
    """Flips one bit of a file."""
    content = bytearray(path.read_bytes())
    content[pick.randrange(len(content))] ^= 1 << pick.randrange(8)
    path.write_bytes(content)


def test_every_flipped_bit_is_found_and_nothing_else(storage):
    """Damaged blobs are put away, whole ones stay."""
    pick = random.Random(7)
    contents = [pick.randbytes(pick.randrange(1, 3000)) for _ in range(60)]
    for content in contents:
        push_blob(storage, content, algorithm=pick.choice(["sha256", "sha512"]) if len(content) > 9 else "sha256")
    paths = sorted(storage.layout.blobs.rglob("data"))
    damaged = set(pick.sample(paths, 20))
    for path in damaged:
        flip(path, pick)
    report = scrub(storage)
    assert {storage.layout.blob(digest) for digest in report.damaged} == damaged
    assert report.checked_blobs == 60
    assert set(storage.layout.blobs.rglob("data")) == set(paths) - damaged
    again = scrub(storage)
    assert (again.damaged, again.checked_blobs) == ([], 40)


def test_a_damaged_layer_is_never_served_again_and_heals_when_pushed(storage):
    """The images that need it are named, indexes above them too; a push of any of them heals all."""
    child = image(layers=[b"layer"])
    push_image(storage, "v1")
    push_image(storage, "v1", Repository("other"))
    push_document(storage, index(child), "multi")
    flip(storage.layout.blob(Digest.of(b"layer")), random.Random(1))
    report = scrub(storage)
    assert set(report.affected) == {"other:v1", "team/app:multi", "team/app:v1"}
    assert quarantined(storage) == [str(Digest.of(b"layer"))]
    with refused(ErrorCode.BLOB_UNKNOWN):
        storage.blobs.stat(APP, Digest.of(b"layer"))
    push_image(storage, "v1")
    assert storage.blobs.stat(Repository("other"), Digest.of(b"layer")).size == 5
    assert quarantined(storage) == []


def test_a_damaged_manifest_is_unknown_until_it_is_pushed_again(storage):
    """Its tag answers 404, then again 200."""
    digest = push_image(storage, "v1")
    flip(storage.layout.blob(digest), random.Random(1))
    assert scrub(storage).affected == ["team/app:v1"]
    with refused(ErrorCode.MANIFEST_UNKNOWN):
        storage.manifests.get(APP, Tag("v1"))
    push_image(storage, "v1")
    assert storage.manifests.get(APP, Tag("v1")).digest == digest


def test_the_rate_is_bounded(storage):
    """Reading 100,000 bytes at 10,000 a second pauses for about ten seconds."""
    for place in range(10):
        push_blob(storage, bytes([place]) * 10_000)
    pauses = []
    scrub(storage, rate=10_000, pause=pauses.append)
    assert 9 <= sum(pauses) <= 10.1


def test_only_one_scrub_runs(storage):
    """A second one is told so."""
    with storage.locks.scrubbing(), refused(ErrorCode.UNAVAILABLE):
        scrub(storage)
