"""Scrubs."""

from __future__ import annotations

import os
import random
import tempfile
from pathlib import Path

import pytest

from registry_app.errors import ErrorCode
from registry_app.gc.observers import NowAndThen
from registry_app.gc.runs import last_run
from registry_app.gc.scrub import quarantined, scrub
from registry_app.oci.digests import Digest
from registry_app.oci.names import Repository, Tag
from registry_app.storage import open_storage
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
    push_document(storage, index(index(child)), "above")
    flip(storage.layout.blob(Digest.of(b"layer")), random.Random(1))
    report = scrub(storage)
    assert set(report.affected) == {"other:v1", "team/app:above", "team/app:multi", "team/app:v1"}
    assert quarantined(storage) == [Digest.of(b"layer")]
    with refused(ErrorCode.BLOB_UNKNOWN):
        storage.blobs.stat(APP, Digest.of(b"layer"))
    push_image(storage, "v1")
    assert storage.blobs.stat(Repository("other"), Digest.of(b"layer")).size == 5
    assert quarantined(storage) == []


def test_damage_is_told_by_each_scrub_until_it_is_healed(storage):
    """Whoever looks after a scheduled scrub has found it sees which images to push."""
    push_image(storage, "v1")
    flip(storage.layout.blob(Digest.of(b"layer")), random.Random(1))
    assert scrub(storage).damaged == [Digest.of(b"layer")]
    again = scrub(storage)
    assert (again.damaged, again.still_damaged) == ([], [Digest.of(b"layer")])
    assert again.affected == ["team/app:v1"]
    assert last_run(storage, "scrub")["affected_images"] == ["team/app:v1"]
    push_image(storage, "v1")
    assert not scrub(storage).troubles


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_a_blob_that_cannot_be_opened_ends_no_scrub(caplog):
    """It is named with the images that need it, and the others are looked at."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        os.seteuid(10001)
        try:
            storage = open_storage(Path(folder) / "data")
            push_image(storage, "v1")
            storage.layout.blob(Digest.of(b"layer")).chmod(0)
            report = scrub(storage)
        finally:
            os.seteuid(0)
    assert (report.unread, report.damaged, report.checked_blobs) == ([Digest.of(b"layer")], [], 2)
    assert report.affected == ["team/app:v1"]
    assert "can't be read: [Errno 13] Permission denied" in caplog.text


def test_a_damaged_manifest_is_unknown_until_it_is_pushed_again(storage):
    """Its tag answers 404, then again 200."""
    digest = push_image(storage, "v1")
    flip(storage.layout.blob(digest), random.Random(1))
    assert scrub(storage).affected == ["team/app:v1"]
    with refused(ErrorCode.MANIFEST_UNKNOWN):
        storage.manifests.get(APP, Tag("v1"))
    push_image(storage, "v1")
    assert storage.manifests.get(APP, Tag("v1")).digest == digest


def test_a_long_scrub_tells_how_far_it_is(storage):
    """By the place of a digest among all."""
    push_blob(storage, b"content")  # ed7002b4…
    lines = []
    scrub(storage, progress=NowAndThen(lines.append, every=0))
    assert lines == ["about 92 %: 1 blobs, 0 MiB, 0 damaged"]


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
