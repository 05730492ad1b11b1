"""What a collection tells, before and meanwhile."""

from __future__ import annotations

import os
import time

from registry_app.gc.collection import collect, plan_collection
from registry_app.gc.observers import NowAndThen, Progress, Telling
from registry_app.gc.plan import Policy
from registry_app.oci.digests import Digest
from tests.registry_app.gc.collecting import NOW, UNTAGGED, run
from tests.registry_app.storage.pushing import (
    APP,
    push_blob,
    push_image,
)


def test_a_dry_run_tells_and_changes_nothing(storage):
    """It names each removal, each reason to keep, and upstream's sum; the tree is as before."""
    digest = push_image(storage, "v1")
    old = push_image(storage, layers=(b"old",))
    push_blob(storage, b"orphan")
    storage.layout.blob(Digest.of(b"killed")).parent.mkdir(parents=True)  # a writer was
    before = sorted(storage.layout.tree.rglob("*"))
    lines = []
    report = plan_collection(storage, UNTAGGED, Telling(lines.append))
    assert sorted(storage.layout.tree.rglob("*")) == before
    assert "team/app" in lines
    assert f"team/app: marking manifest {digest} (kept because tagged v1)" in lines
    assert f"team/app: marking blob {Digest.of(b'layer')}" in lines
    assert "\n3 blobs marked, 4 blobs and 1 manifests eligible for deletion" in lines
    assert f"manifest eligible for deletion: {old}" in lines
    assert f"blob eligible for deletion: {Digest.of(b'orphan')}" in lines
    done = run(storage, UNTAGGED)
    assert (done.removed_blobs, done.removed_manifests, done.removed_links) == (
        report.removed_blobs,
        report.removed_manifests,
        report.removed_links,
    )


def test_a_dry_run_names_the_tags_that_keep_an_image(storage):
    """Where untagged manifests stay, too."""
    tagged, bare = push_image(storage, "v1"), push_image(storage, layers=(b"old",))
    lines = []
    plan_collection(storage, NOW, Telling(lines.append))
    assert f"team/app: marking manifest {tagged} (kept because tagged v1)" in lines
    assert f"team/app: marking manifest {bare} (kept because untagged manifests are kept)" in lines


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
