"""Collections of real stores."""

from __future__ import annotations

import fcntl
import io
import json
import os
import time

import pytest

from registry_app.byte_locks import try_lock
from registry_app.errors import ErrorCode
from registry_app.gc.collection import collect, plan_collection
from registry_app.gc.observers import NowAndThen, Observer, Progress, Telling
from registry_app.gc.plan import Policy
from registry_app.gc.runs import last_run
from registry_app.gc.schedule import Schedule, run_due
from registry_app.gc.scrub import put_away, scrub
from registry_app.oci.digests import Digest
from registry_app.oci.names import Repository, Tag
from registry_app.storage import open_storage
from registry_app.storage.files import Files
from registry_app.storage.listings import version_of
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

NOW = Policy(grace=0, trash=3600)
UNTAGGED = Policy(grace=0, trash=3600, untagged=True)


def run(storage, policy=NOW):
    """One collection."""
    return collect(storage, policy, Observer())


def is_stored(storage, content):
    """Whether the bytes of a blob lie in the tree."""
    return storage.layout.blob(Digest.of(content)).exists()


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


@pytest.mark.parametrize(
    "moved",
    ["", "_manifests", "_manifests/revisions", "_manifests/revisions/sha256", "_manifests/tags", "_manifests/tags/v1"],
)
def test_nothing_is_removed_while_a_symbolic_link_hides_manifests(storage, tmp_path, moved):
    """Somebody moved them to another disk: they are not served, and what they need stays for when they are back."""
    push_image(storage, "v1", layers=(b"1",))
    push_image(storage, "v1", Repository("zoo"), layers=(b"2",))
    before = {path for path in storage.layout.tree.rglob("*") if path.is_file()}
    place = storage.layout.repository(APP) / moved
    place.rename(tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")
    with refused(ErrorCode.UNSUPPORTED) as caught:
        run(storage, UNTAGGED)
    assert f"{place} is a symbolic link" in caught.value.message
    place.unlink()
    (tmp_path / "elsewhere").rename(place)
    assert {path for path in storage.layout.tree.rglob("*") if path.is_file()} == before
    report = run(storage, UNTAGGED)
    assert (report.removed_blobs, report.removed_manifests) == (0, 0)


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


def test_after_a_collection_a_push_stores_its_layers_again(storage):
    """No "Layer already exists" for a layer that is gone: the client is told that it is unknown."""
    digest = push_image(storage, "a", layers=(b"layer",))
    storage.manifests.delete(APP, digest)
    run(storage)
    with refused(ErrorCode.BLOB_UNKNOWN):
        storage.blobs.stat(APP, Digest.of(b"layer"))
    push_image(storage, "a", layers=(b"layer",))
    assert storage.blobs.stat(APP, Digest.of(b"layer")).size == 5


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


def test_trash_is_emptied_after_its_time(storage, clock):
    """Until then a restore brings everything back."""
    push_blob(storage, b"orphan")
    first = run(storage)
    assert storage.trash.extent(first.run)[0] == 2
    assert storage.trash.restore(first.run) == 2
    assert storage.blobs.stat(APP, Digest.of(b"orphan")).size == 6
    second = run(storage)
    clock.now += 3601
    assert run(storage).emptied_runs == 1
    assert second.run not in storage.trash.runs()


def test_a_deleted_repository_can_be_restored(storage):
    """Undelete brings tags and images back."""
    push_image(storage, "v1")
    storage.repositories.delete(APP)
    (deleted,) = storage.trash.runs()
    run(storage)
    for name in reversed(storage.trash.runs()):
        storage.trash.restore(name)
    assert deleted not in storage.trash.runs()
    assert storage.manifests.get(APP, Tag("v1")).size
    assert storage.blobs.stat(APP, Digest.of(b"layer")).size == 5


def test_what_was_restored_is_promised_anew(storage, clock):
    """A scheduled collection a minute later does not take it away again."""
    clock.now = time.time() + 7200
    push_blob(storage, b"orphan")
    clock.now += 7200
    hour = Policy(grace=3600, trash=86400)
    collected = run(storage, hour)
    assert collected.removed_blobs == 1
    storage.trash.restore(collected.run)
    clock.now = time.time() + 60
    assert run(storage, hour).removed_blobs == 0
    assert is_stored(storage, b"orphan")


def test_tags_forget_the_manifests_that_are_gone(storage):
    """Upstream keeps what a tag ever named; a tag that moves each day would fill the disk with small folders."""
    old, new = push_image(storage, "v1", layers=(b"old",)), push_image(storage, "v1", layers=(b"new",))
    run(storage)
    assert storage.layout.tagged(APP, Tag("v1"), old).exists(), "the manifest is there, if untagged"
    plan_collection(storage, UNTAGGED, Observer())
    assert storage.layout.tagged(APP, Tag("v1"), old).exists()
    assert run(storage, UNTAGGED).removed_manifests == 1
    assert [path.name for path in storage.layout.history(APP, Tag("v1")).glob("*/*")] == [new.hex]
    assert storage.manifests.get(APP, Tag("v1")).digest == new


def test_the_quarantine_keeps_what_an_image_lacks(storage, clock):
    """What was pushed again, or belongs to no image any more, can be looked at as long as the trash."""
    push_image(storage, "v1", layers=(b"healed", b"lacking"))
    push_image(storage, "v2", layers=(b"deleted",))
    for name in (b"healed", b"lacking", b"deleted"):
        storage.layout.blob(Digest.of(name)).write_bytes(b"?")
    assert len(scrub(storage).damaged) == 3
    push_blob(storage, b"healed")
    storage.manifests.delete(APP, storage.tags.find(APP, Tag("v2")))
    run(storage)
    assert len(list(put_away(storage))) == 3
    clock.now += 3601
    run(storage)
    assert list(put_away(storage)) == [Digest.of(b"lacking")]


def test_a_dry_run_tells_and_changes_nothing(storage):
    """It names each removal, each reason to keep, and upstream's sum; the tree is as before."""
    digest = push_image(storage, "v1")
    old = push_image(storage, layers=(b"old",))
    push_blob(storage, b"orphan")
    before = sorted(storage.layout.tree.rglob("*"))
    lines = []
    report = plan_collection(storage, UNTAGGED, Telling(lines.append))
    assert sorted(storage.layout.tree.rglob("*")) == before
    assert "team/app" in lines
    assert f"team/app: marking manifest {digest} (kept because tagged v1)" in lines
    assert f"team/app: marking blob {Digest.of(b'layer')}" in lines
    assert "\n3 blobs marked, 3 blobs and 1 manifests eligible for deletion" in lines
    assert f"manifest eligible for deletion: {old}" in lines
    assert f"blob eligible for deletion: {Digest.of(b'orphan')}" in lines
    done = run(storage, UNTAGGED)
    assert (done.removed_blobs, done.removed_manifests, done.removed_links) == (
        report.removed_blobs,
        report.removed_manifests,
        report.removed_links,
    )


def test_a_dry_run_tells_of_uploads_and_of_what_goes_for_good(storage, clock):
    """Why an upload stays, too; drafts of killed writers and runs in the trash are counted."""
    clock.now = time.time()
    push_blob(storage, b"orphan")
    run(storage)
    old, young = storage.uploads.start(APP), storage.uploads.start(APP)
    (storage.layout.drafts / "left").write_bytes(b"")
    clock.now += 7200
    os.utime(storage.layout.upload(APP, young.id) / "data", (clock.now - 30, clock.now - 30))
    lines, policy = [], Policy(grace=0, trash=3600, stale_upload=3600)
    told = plan_collection(storage, policy, Telling(lines.append))
    assert f"team/app: upload {young.id} (kept because its last byte came 30 s ago, less than 3600 s)" in lines
    assert f"team/app: upload eligible for deletion: {old.id}" in lines
    done = run(storage, policy)
    for report in (told, done):
        assert (report.removed_uploads, report.removed_drafts, report.emptied_runs) == (1, 1, 1)


def test_a_long_collection_tells_how_far_it_is(storage, clock):
    """Now and then a line, not one for each decision."""
    push_image(storage, "v1")
    for name in (b"one", b"two"):
        push_blob(storage, name)
    lines = []
    collect(storage, NOW, Progress(NowAndThen(lines.append, every=0, clock=clock)))
    assert "marking, at team/app by now: 3 blobs in use" in lines
    assert lines[-1] == "sweeping: 2 of 2 blobs that nothing needs"
    lines.clear()
    collect(storage, NOW, Progress(NowAndThen(lines.append, every=10, clock=clock)))
    assert not lines


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


def test_a_damaged_manifest_lets_its_repository_alone(storage):
    """What it needs can't be told, so nothing of its repository goes; others are collected."""
    digest = push_image(storage, "a")
    push_blob(storage, b"maybe")
    push_blob(storage, b"orphan", Repository("other"))
    storage.layout.blob(digest).write_bytes(b"broken")
    run(storage, UNTAGGED)
    assert is_stored(storage, b"maybe")
    assert is_stored(storage, b"layer")
    assert not is_stored(storage, b"orphan")


@pytest.mark.parametrize("content", [b"", b"sha256:" + 64 * b"0"])
def test_a_tag_with_a_damaged_link_keeps_what_it_may_have_named(storage, content, caplog):
    """A crash of another registry, or one flipped bit, makes no image of it that nobody wants."""
    digest = push_image(storage, "v1")
    push_image(storage, "v2", layers=(b"other",))
    storage.layout.current(APP, Tag("v1")).write_bytes(content)
    assert run(storage, UNTAGGED).removed_manifests == 0
    assert "team/app keeps what is untagged: damaged links of tags: v1. Push or delete them" in caplog.text
    storage.manifests.delete(APP, Tag("v1"))
    assert run(storage, UNTAGGED).removed_manifests == 1
    assert not storage.manifests.exists(APP, digest)


def test_a_manifest_with_another_layer_in_it_is_damaged_too(storage, caplog):
    """A flipped bit may name a layer that nobody has: the one that is needed stays, and the log says why."""
    digest = push_image(storage, "a")
    path, wanted = storage.layout.blob(digest), Digest.of(b"layer").hex
    path.write_bytes(path.read_bytes().replace(wanted.encode(), (wanted[:-1] + "0f"[wanted[-1] == "0"]).encode()))
    run(storage, UNTAGGED)
    assert is_stored(storage, b"layer")
    assert f"team/app keeps everything: what it needs can't be told, as manifest {digest} is damaged" in caplog.text


def test_an_empty_folder_of_a_killed_writer_goes(storage):
    """A writer that died between making the folder of a blob and moving the blob there left no more than that."""
    empty = storage.layout.blob(Digest.of(b"never came")).parent
    empty.mkdir(parents=True)
    assert run(storage).removed_blobs == 0
    assert not empty.exists()


def test_without_room_for_the_trash_room_is_made_at_once(storage):
    """What can't be moved away is removed."""
    push_blob(storage, b"orphan")
    storage.layout.trash.write_bytes(b"no folder")
    assert run(storage).removed_blobs == 1
    assert not storage.layout.blob(Digest.of(b"orphan")).parent.exists()


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


def test_only_one_collection_runs(storage):
    """A second one is told so."""
    with storage.locks.collecting() as alone, refused(ErrorCode.UNAVAILABLE):
        assert alone
        run(storage)


def test_a_collection_that_was_killed_leaves_nothing_to_repair(storage):
    """The next one begins a new epoch, and pushes go on in between."""

    class Killed(Observer):
        def planned(self, report):
            raise KeyboardInterrupt

    push_blob(storage, b"orphan")
    with pytest.raises(KeyboardInterrupt):
        collect(storage, NOW, Killed())
    storage.epochs._enter(storage.epochs._read() + 1)  # what a kill leaves: an odd epoch
    push_image(storage, "a")
    report = run(storage)
    assert report.removed_blobs == 1
    assert storage.manifests.get(APP, Tag("a")).size
    assert len(list(storage.layout.own.glob("references.*"))) == 1


def test_the_summary_of_a_run_is_kept(storage):
    """For metrics and pages: one small file, replaced as a whole."""
    push_blob(storage, b"orphan")
    run(storage)
    summary = json.loads(storage.layout.run("gc").read_text())
    assert summary["result"] == "ok"
    assert (summary["removed_blobs"], summary["freed_bytes"]) == (1, 6)


def test_the_schedule_runs_what_is_due_once(storage, clock):
    """Due after the interval, done for the next look of whichever worker."""
    schedule = Schedule(policy=NOW, collect_every=100, scrub_every=1000)
    clock.now = storage.opened_first() + 1
    assert storage.why_unwritable() is None, "a look at readiness puts nothing off"
    assert run_due(storage, schedule) == ()
    clock.now += 200
    assert run_due(storage, schedule) == ("gc",)
    assert run_due(storage, schedule) == ()
    clock.now += 900
    assert run_due(storage, schedule) == ("gc", "scrub")
    assert last_run(storage, "scrub")["result"] == "ok"
    clock.now -= 86400
    assert run_due(storage, schedule) == ("gc", "scrub"), "a time in the future is no reason to wait for it"
    assert run_due(storage, Schedule(policy=NOW, collect_every=None, scrub_every=None)) == ()


def test_a_scheduled_run_that_fails_is_logged_and_tried_again(storage, clock, caplog):
    """A broken disk, or a run of somebody else, ends neither the schedule nor the service."""
    schedule = Schedule(policy=NOW, collect_every=100, scrub_every=None)
    clock.now += 5000
    with storage.locks.collecting():
        assert run_due(storage, schedule) == ()
    assert not caplog.records
    storage.layout.epoch.mkdir()
    assert run_due(storage, schedule) == ()
    assert "gc failed" in caplog.text
    storage.layout.epoch.rmdir()
    daily = Schedule(policy=NOW, collect_every=86400, scrub_every=None)
    clock.now += 1800
    assert run_due(storage, daily) == ()
    clock.now += 1801
    assert run_due(storage, daily) == ("gc",), "an hour after the failure, not a day"


def test_on_a_full_disk_room_is_made_each_hour(tmp_path, clock):
    """Collections and purges do not wait for their day; the first half of a layer does not wait for its week."""
    storage = open_storage(tmp_path, clock=clock)
    clock.now = time.time() + 3000
    given_up = storage.uploads.start(APP)
    daily = Schedule(policy=NOW, collect_every=86400, scrub_every=None, purge_every=86400)
    clock.now = storage.opened_first() + 86401
    os.utime(storage.layout.upload(APP, given_up.id) / "data", (clock.now, clock.now))
    os.utime(storage.layout.upload(APP, given_up.id), (clock.now, clock.now))
    assert run_due(storage, daily) == ("gc", "purge")
    clock.now += 3700
    assert run_due(storage, daily) == ()
    storage.space.reserve_bytes = 2**60
    assert run_due(storage, daily) == ("gc", "purge")
    assert not storage.layout.upload(APP, given_up.id).exists()
