"""What a collection takes of a store, and what it leaves."""

from __future__ import annotations

import io
import os
import tracemalloc

from registry_app.errors import ErrorCode
from registry_app.gc.plan import Policy
from registry_app.oci.digests import Digest
from registry_app.oci.names import Repository, Tag
from registry_app.storage import open_storage
from registry_app.storage.listings import version_of
from tests.registry_app.gc.collecting import UNTAGGED, is_stored, run
from tests.registry_app.storage.pushing import (
    APP,
    body_of,
    descriptor,
    image,
    index,
    place_manifest,
    push_blob,
    push_document,
    push_image,
)
from tests.registry_app.storage.refusals import refused


def test_what_images_need_stays_and_the_rest_goes(storage):
    """Blobs, links and manifests of living images are untouched; an orphan and its link go."""
    push_image(storage, "v1", layers=(b"1", b"2"))
    push_blob(storage, b"orphan")
    report = run(storage)
    assert (report.removed_blobs, report.removed_links, report.freed_bytes) == (1, 1, 6)
    assert not is_stored(storage, b"orphan")
    assert not storage.layout.layer(APP, Digest.of(b"orphan")).parent.exists()
    assert storage.manifests.get(APP, Tag("v1")).size
    for content in (b"{}", b"1", b"2"):
        assert storage.blobs.stat(APP, Digest.of(content)).size
    assert run(storage).removed_blobs == 0


def test_images_that_a_remembered_list_does_not_show_keep_their_blobs(storage):
    """Lists on a file system whose times lie may lag until a reindex, a collection must not."""
    other = open_storage(storage.layout.root)
    push_image(storage, "v1", layers=(b"1",))
    push_image(other, "v2", layers=(b"2",))
    push_image(other, "v1", Repository("zoo"), layers=(b"3",))
    lies = {str(storage.layout.repositories): ("team",), str(storage.layout.tags(APP)): ("v1",)}
    storage.listings.seed([(folder, version_of(folder), names) for folder, names in lies.items()])
    assert (storage.repositories.list(), storage.tags.list(APP)) == (["team/app"], ["v1"]), "else this tests nothing"
    report = run(storage, UNTAGGED)
    assert (report.removed_blobs, report.removed_manifests) == (0, 0)
    assert all(is_stored(storage, content) for content in (b"1", b"2", b"3"))


def test_a_deleted_image_frees_its_room(storage):
    """DELETE and a collection: only what no other image needs goes."""
    first = push_image(storage, "a", layers=(b"shared", b"own"))
    push_image(storage, "b", Repository("other"), layers=(b"shared",))
    storage.manifests.delete(APP, first)
    run(storage)
    assert is_stored(storage, b"shared")
    assert not is_stored(storage, b"own")
    with refused(ErrorCode.BLOB_UNKNOWN):
        storage.blobs.stat(APP, Digest.of(b"shared"))


def test_untagged_manifests_stay_unless_asked_for(storage):
    """Without -m an overwritten image can still be pulled by digest, with -m it goes with its layers."""
    old = push_image(storage, "v1", layers=(b"old",))
    push_image(storage, "v1", layers=(b"new",))
    assert run(storage).removed_manifests == 0
    assert storage.manifests.get(APP, old).digest == old
    assert run(storage, UNTAGGED).removed_manifests == 1
    with refused(ErrorCode.MANIFEST_UNKNOWN):
        storage.manifests.get(APP, old)
    assert not is_stored(storage, b"old")
    assert is_stored(storage, b"new")


def test_platforms_and_signatures_survive_the_removal_of_untagged_manifests(storage):
    """-m never breaks a multi-platform or a signed image."""
    child = image(layers=[b"amd64"])
    child_digest = push_image(storage, layers=(b"amd64",))
    push_document(storage, index(child), "multi")
    about = descriptor(body_of(child), child["mediaType"])
    signature = push_image(storage, layers=(b"sig",), subject=about)
    assert run(storage, UNTAGGED).removed_manifests == 0
    for digest in (child_digest, signature):
        assert storage.manifests.get(APP, digest).digest == digest
    assert is_stored(storage, b"sig")


def test_stale_uploads_go_by_their_last_byte(storage, clock):
    """An upload that still grows stays however old its start is; one in use is never taken."""
    stale, growing = storage.uploads.start(Repository("only/uploads")), storage.uploads.start(APP)
    for upload, repository, age in ((stale, "only/uploads", 100), (growing, "team/app", 5)):
        folder = storage.layout.upload(Repository(repository), upload.id)
        for path in (folder / "data", folder):
            os.utime(path, (clock.now - age, clock.now - age))
    assert run(storage, Policy(stale_upload=50)).removed_uploads == 1
    with refused(ErrorCode.BLOB_UPLOAD_UNKNOWN):
        storage.uploads.stat(Repository("only/uploads"), stale.id)
    assert storage.uploads.append(APP, growing.id, io.BytesIO(b"x")).offset == 1


def test_drafts_of_killed_writers_go(storage, clock):
    """Young ones may belong to a push and stay."""
    push_image(storage, "a")
    assert not list(storage.layout.drafts.iterdir())
    for name, age in (("old", 7200), ("young", 10)):
        (storage.layout.drafts / name).write_text("")
        os.utime(storage.layout.drafts / name, (clock.now - age, clock.now - age))
    assert run(storage).removed_drafts == 1
    assert [path.name for path in storage.layout.drafts.iterdir()] == ["young"]


def test_what_one_repository_needs_takes_little_memory(storage):
    """Of each of 20,000 layers in 100 manifests 64 bits are kept in mind, twice; each manifest is read and forgotten."""
    for number in range(100):
        place_manifest(storage, image(layers=[b"%d/%d" % (number, place) for place in range(200)]))
    tracemalloc.start()
    try:
        report = run(storage)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (report.marked_blobs, report.candidates) == (100, 0)
    assert peak < 4_000_000
