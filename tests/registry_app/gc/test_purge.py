"""Abandoned uploads are purged as `storage.maintenance.uploadpurging` says."""

from __future__ import annotations

import io
import os
import tempfile
import time
from pathlib import Path

import pytest
import yaml

from registry_app.configuration import parse_settings
from registry_app.gc.plan import Policy
from registry_app.gc.runs import last_run
from registry_app.gc.schedule import run_due
from registry_app.gc.stale import purge_uploads
from registry_app.maintenance import schedule_of
from registry_app.storage import open_storage
from tests.registry_app.gc.collecting import run
from tests.registry_app.storage.pushing import APP


def settings_of(**document):
    """Settings as config.yml would give them."""
    storage = {"filesystem": {"rootdirectory": "/unused"}, **document.pop("storage", {})}
    text = yaml.safe_dump({"version": 0.1, "storage": storage, "http": {"addr": ":0"}, **document})
    return parse_settings(text, name="config.yml", environ={})


@pytest.mark.parametrize("collections", [True, False])
def test_abandoned_uploads_are_purged_by_last_write_with_or_without_collections(storage, clock, collections):
    """Age and interval are those of `maintenance.uploadpurging`, as upstream's."""
    purging = {"age": "48h", "interval": "12h"}
    settings = settings_of(
        storage={"maintenance": {"uploadpurging": purging}},
        stackgen={"gc": {"enabled": collections, "interval": "8760h"}, "scrub": {"enabled": False}},
    )
    schedule = schedule_of(settings)
    assert schedule.policy.stale_upload is None, "a collection does not purge by another interval"
    clock.now = time.time()
    upload = storage.uploads.start(APP)
    storage.uploads.append(APP, upload.id, io.BytesIO(b"half"))
    clock.now += 49 * 3600
    written = clock.now - 47 * 3600
    os.utime(storage.layout.upload(APP, upload.id) / "data", (written, written))
    assert "purge" in run_due(storage, schedule)
    assert storage.uploads.stat(APP, upload.id).offset == 4
    clock.now += 2 * 3600
    assert "purge" not in run_due(storage, schedule), "the interval is 12 hours"
    clock.now += 10 * 3600
    assert "purge" in run_due(storage, schedule)
    assert not storage.layout.upload(APP, upload.id).exists()
    assert last_run(storage, "purge")["removed_uploads"] == 1


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: path.symlink_to("/etc/passwd")])
def test_what_is_no_upload_goes_like_one(storage, clock, make):
    """Whatever lies in its place, the purge goes on."""
    uploads = [storage.uploads.start(APP), storage.uploads.start(APP)]
    data = storage.layout.upload(APP, uploads[0].id) / "data"
    data.unlink()
    make(data)
    clock.now = time.time() + 200 * 3600
    assert "purge" in run_due(storage, schedule_of(settings_of()))
    assert last_run(storage, "purge")["removed_uploads"] == 2
    assert not list(storage.layout.uploads(APP).iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
@pytest.mark.parametrize(("taken", "mode"), [(".", 0o755), ("data", 0o600)])
def test_an_upload_of_another_user_keeps_no_other_from_going(taken, mode, caplog):
    """It is named, and not counted; a collection goes on as well."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        os.seteuid(10001)
        try:
            storage = open_storage(Path(folder) / "data")
            foreign, own = storage.uploads.start(APP), storage.uploads.start(APP)
            os.seteuid(0)
            place = storage.layout.upload(APP, foreign.id) / taken
            os.chown(place, 0, 0)
            place.chmod(mode)
            os.seteuid(10001)
            assert purge_uploads(storage, age=-1, only_name=False) == [(APP, own.id)]
            assert run(storage, Policy(stale_upload=-1)).removed_uploads == 0
        finally:
            os.seteuid(0)
    assert f"upload {foreign.id} of team/app stays: it can't be removed: `registry check` says why" in caplog.text


def test_a_purge_that_only_names_removes_nothing(storage, clock, caplog):
    """`dryrun: true`."""
    caplog.set_level("INFO")
    upload = storage.uploads.start(APP)
    clock.now = time.time() + 200 * 3600
    schedule = schedule_of(settings_of(storage={"maintenance": {"uploadpurging": {"dryrun": True}}}))
    assert "purge" in run_due(storage, schedule)
    assert storage.layout.upload(APP, upload.id).exists()
    assert f"would purge upload {upload.id} of team/app" in caplog.text


def test_a_purge_can_be_turned_off(storage, clock):
    """`enabled: false`."""
    upload = storage.uploads.start(APP)
    clock.now = time.time() + 2000 * 3600
    run_due(storage, schedule_of(settings_of(storage={"maintenance": {"uploadpurging": {"enabled": False}}})))
    assert storage.layout.upload(APP, upload.id).exists()
