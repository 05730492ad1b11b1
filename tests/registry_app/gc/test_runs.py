"""When collections run, and what is known of the last one."""

from __future__ import annotations

import json
import os
import time

import pytest

from registry_app.errors import ErrorCode
from registry_app.gc.collection import collect
from registry_app.gc.observers import Observer
from registry_app.gc.runs import last_run
from registry_app.gc.schedule import Schedule, run_due
from registry_app.oci.names import Tag
from registry_app.storage import open_storage
from tests.registry_app.gc.collecting import NOW, run
from tests.registry_app.storage.pushing import (
    APP,
    push_blob,
    push_image,
)
from tests.registry_app.storage.refusals import refused


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
    storage.layout.epoch.unlink()
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
