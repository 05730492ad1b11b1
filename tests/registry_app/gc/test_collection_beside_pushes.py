"""What a push and a collection do to each other."""

from __future__ import annotations

import fcntl
import os

from registry_app.byte_locks import try_lock
from registry_app.errors import ErrorCode
from registry_app.gc.collection import collect
from registry_app.gc.observers import Observer
from registry_app.gc.plan import Policy
from registry_app.oci.digests import Digest
from registry_app.oci.names import Tag
from registry_app.storage.files import Files
from tests.registry_app.gc.collecting import NOW, UNTAGGED, is_stored, run
from tests.registry_app.storage.pushing import (
    APP,
    body_of,
    image,
    index,
    push_blob,
    push_document,
    push_image,
)
from tests.registry_app.storage.refusals import refused


def test_after_a_collection_a_push_stores_its_layers_again(storage):
    """No "Layer already exists" for a layer that is gone: the client is told that it is unknown."""
    digest = push_image(storage, "a", layers=(b"layer",))
    storage.manifests.delete(APP, digest)
    run(storage)
    with refused(ErrorCode.BLOB_UNKNOWN):
        storage.blobs.stat(APP, Digest.of(b"layer"))
    push_image(storage, "a", layers=(b"layer",))
    assert storage.blobs.stat(APP, Digest.of(b"layer")).size == 5


def test_what_was_promised_stays_for_the_time_of_grace(storage, clock):
    """A HEAD renews it."""
    push_blob(storage, b"layer")
    clock.now += 50
    storage.blobs.stat(APP, Digest.of(b"layer"))
    clock.now += 50
    policy = Policy(grace=60)
    assert run(storage, policy).kept_for_now == 2
    clock.now += 11
    assert run(storage, policy).removed_blobs == 1


def test_a_clock_that_jumps_back_removes_nothing_and_one_that_jumps_on_breaks_no_image(storage, clock):
    """Grace is a courtesy; safety comes from references."""
    push_image(storage, "a")
    push_blob(storage, b"waiting")
    clock.now -= 86400
    assert run(storage, Policy(grace=60)).removed_blobs == 0
    clock.now += 3 * 86400
    run(storage, Policy(grace=60))
    assert storage.manifests.get(APP, Tag("a")).size
    assert storage.blobs.stat(APP, Digest.of(b"layer")).size


def test_a_push_takes_back_what_a_collection_threw_away(storage):
    """HEAD said the layer is there, a collection without grace came, the manifest is accepted all the same."""
    for content in (b"{}", b"layer"):
        push_blob(storage, content)
    assert run(storage).removed_blobs == 2
    assert not is_stored(storage, b"layer")
    push_document(storage, image(), "v1")
    assert storage.blobs.stat(APP, Digest.of(b"layer")).size == 5


def test_an_index_takes_back_everything_below_it(storage):
    """Children and their layers come back with the index that is pushed after the collection."""
    child = image(layers=[b"deep"])
    inner = index(child)
    push_image(storage, layers=(b"deep",))
    push_document(storage, inner)
    assert run(storage, UNTAGGED).removed_manifests == 2
    push_document(storage, index(inner), "top")
    run(storage, UNTAGGED)
    for document in (inner, child):
        assert storage.manifests.get(APP, Digest.of(body_of(document))).size
    assert storage.blobs.stat(APP, Digest.of(b"deep")).size == 4


class Pushing(Observer):
    """Pushes something at a moment of the collection."""

    def __init__(self, act):
        self.act = act

    def planned(self, report):
        self.act()


def test_a_manifest_pushed_between_mark_and_sweep_keeps_its_blobs(storage):
    """The mark did not see it, the log of references did."""
    for content in (b"{}", b"layer"):
        push_blob(storage, content)
    # Links are swept before the blobs are: put them back as a push that came in between would find them.
    collect(storage, NOW, Pushing(lambda: push_document(storage, image(), "late")))
    assert storage.manifests.get(APP, Tag("late")).size
    for content in (b"{}", b"layer"):
        assert storage.blobs.stat(APP, Digest.of(content)).size
    assert run(storage).removed_blobs == 0


def test_a_line_that_was_cut_off_in_the_log_of_references_hides_no_other(storage):
    """A writer that was killed, or met a full disk, left half a digest without an end."""
    digest = Digest.of(b"layer")
    with storage.epochs.collection() as log:
        (path,) = storage.layout.own.glob("references.*")
        path.write_text(f"{digest}\nsha256:0123")
        with storage.epochs.referring_to([Digest.of(b"other")]):
            assert log.holds(Digest.of(b"other"))
        assert log.holds(digest)


def test_a_tag_set_during_the_collection_keeps_its_index_and_all_in_it(storage):
    """An untagged index that is tagged at the last moment loses no platform."""
    child = image(layers=[b"deep"])
    push_image(storage, layers=(b"deep",))
    push_document(storage, index(child))
    done = []

    class TagsAtFirst(Observer):
        def manifest(self, repository, digest, *, kept, reason):
            if not done:
                done.append(push_document(storage, index(child), "late"))

    collect(storage, UNTAGGED, TagsAtFirst())
    run(storage, UNTAGGED)
    assert storage.manifests.get(APP, Tag("late")).size
    assert storage.manifests.get(APP, Digest.of(body_of(child))).size
    assert storage.blobs.stat(APP, Digest.of(b"deep")).size == 4


def test_a_platform_that_a_collection_takes_while_it_is_read_comes_back_with_what_it_needs(storage, monkeypatch):
    """Nothing is locked before it is known what an index refers to: a collection may come in between, and again."""
    child = image(layers=[b"deep"])
    push_image(storage, layers=(b"deep",))
    path, times, read = storage.layout.blob(Digest.of(body_of(child))), [], Files.read_with_stat

    def read_late(files, wanted, *, limit):
        if wanted == path and len(times) < 2 and None not in times:
            times.append(None)  # while the collection itself reads it
            times[-1] = run(storage, UNTAGGED).removed_blobs
        return read(files, wanted, limit=limit)

    with monkeypatch.context() as patch:
        patch.setattr(Files, "read_with_stat", read_late)
        push_document(storage, index(child), "late")
    run(storage, UNTAGGED)
    assert storage.manifests.get(APP, Digest.of(body_of(child))).size
    assert storage.blobs.stat(APP, Digest.of(b"deep")).size == 4
    assert times == [3, 1]


def test_an_upload_in_use_stays_however_old_it_is(storage, clock):
    """A request that hangs on to it may yet go on; when it is gone, so is the upload, data file or not."""
    used, bare = storage.uploads.start(APP), storage.uploads.start(APP)
    (storage.layout.upload(APP, bare.id) / "data").unlink()
    for upload in (used, bare):
        folder = storage.layout.upload(APP, upload.id)
        for path in (*folder.iterdir(), folder):
            os.utime(path, (clock.now - 100, clock.now - 100))
    descriptor = os.open(storage.layout.upload(APP, used.id) / "data", os.O_RDWR)
    try:
        assert try_lock(descriptor, fcntl.F_RDLCK, 0)
        assert run(storage, Policy(stale_upload=50)).removed_uploads == 1
    finally:
        os.close(descriptor)
    assert run(storage, Policy(stale_upload=50)).removed_uploads == 1
    assert not list(storage.layout.uploads(APP).iterdir())
