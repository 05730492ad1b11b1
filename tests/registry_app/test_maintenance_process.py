"""Scheduled runs in a process of their own."""

from __future__ import annotations

import json
import os
import pickle
import resource
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from registry_app.gc.runs import last_run
from registry_app.maintenance_process import run_apart
from registry_app.oci.digests import Digest
from registry_app.settings import CollectionSettings, LogSettings, RegistrySettings, ScrubSettings, StorageSettings
from registry_app.storage import open_storage
from tests.registry_app.storage.pushing import push_blob, push_image

LONG_AGO = time.time() - 10 * 86400
# What a worker does at its start, but that it looks more often.
WORKER = """
import pickle, sys, time
from registry_app import maintenance_process
from registry_app.storage import open_storage
settings = pickle.load(sys.stdin.buffer)
maintenance_process._LOOK_EVERY = 0.05
maintenance_process.start_maintenance(open_storage(settings.storage.root), settings)
time.sleep(60)
"""


@pytest.fixture
def storage(tmp_path):
    """A store that was opened for the first time long ago, so that everything is due."""
    storage = open_storage(tmp_path / "registry")
    os.utime(storage.layout.locks, (LONG_AGO, LONG_AGO))
    return storage


@pytest.fixture
def settings(storage):
    """Collections without grace, and nothing else."""
    return RegistrySettings(
        storage=StorageSettings(root=storage.layout.root, reserve=0),
        collection=CollectionSettings(grace=0),
        scrub=ScrubSettings(enabled=False),
    )


@contextmanager
def a_worker(settings, log):
    """A process that looks for due runs as a worker does."""
    with (
        log.open("wb") as stream,
        subprocess.Popen(
            [sys.executable, "-c", WORKER], stdin=subprocess.PIPE, stderr=stream, cwd=Path(__file__).parents[2]
        ) as process,
    ):
        try:
            process.stdin.write(pickle.dumps(settings))
            process.stdin.flush()
            yield process
        finally:
            process.kill()


def wait_until(happened, *, seconds=20):
    """Waits for something that another process does."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def is_scrubbing(storage):
    """Whether a process scrubs the store now."""
    with storage.locks.scrubbing() as alone:
        return not alone


def test_what_is_due_runs_beside_the_worker_and_tells_in_the_workers_log(storage, settings, tmp_path):
    """The policy, the kind of log and its fields are the service's."""
    push_image(storage, "v1", layers=(b"1",))
    push_blob(storage, b"orphan")
    settings = replace(settings, log=LogSettings(json=True, fields=(("service", "registry"),)))
    with a_worker(settings, tmp_path / "log"):
        wait_until(lambda: last_run(storage, "gc"))
        wait_until(lambda: b"collected: 1 blobs" in (tmp_path / "log").read_bytes())
    assert last_run(storage, "gc")["result"] == "ok"
    assert not storage.layout.blob(Digest.of(b"orphan")).exists()
    assert storage.layout.blob(Digest.of(b"1")).exists()
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert {(line["logger"], line["service"]) for line in lines} == {("registry.gc", "registry")}


def test_what_cannot_begin_is_tried_less_and_less_often(storage, settings, tmp_path):
    """A disk that is read-only for a week fills no log."""
    storage.layout.locks.unlink()
    storage.layout.locks.mkdir()
    os.utime(storage.layout.locks, (LONG_AGO, LONG_AGO))
    log = tmp_path / "log"
    with a_worker(settings, log):
        wait_until(lambda: b"maintenance could not begin" in log.read_bytes())
        time.sleep(1.5)
    assert 3 <= log.read_bytes().count(b"maintenance could not begin") <= 6


def test_a_run_ends_with_its_worker_however_that_ends(storage, settings, tmp_path):
    """After `kill -9` of a worker in the middle of a scrub nobody scrubs, and another may."""
    push_blob(storage, b"x" * 100)
    push_blob(storage, b"y" * 100)
    settings = replace(settings, collection=CollectionSettings(enabled=False), scrub=ScrubSettings(rate=10))
    with a_worker(settings, tmp_path / "log") as worker:
        wait_until(lambda: is_scrubbing(storage))
        worker.kill()
        worker.wait()
        wait_until(lambda: not is_scrubbing(storage), seconds=5)
    assert last_run(storage, "scrub") is None


def test_an_error_of_the_system_does_not_end_the_schedule(storage, settings, tmp_path):
    """The worker tells it, and looks again."""
    log = tmp_path / "log"
    with a_worker(settings, log) as worker:
        wait_until(lambda: last_run(storage, "gc"))
        before = resource.prlimit(worker.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(worker.pid, resource.RLIMIT_NOFILE, (3, before[1]))
        wait_until(lambda: b"maintenance could not begin, it is tried again: Too many open files" in log.read_bytes())
        storage.layout.run("gc").unlink()
        resource.prlimit(worker.pid, resource.RLIMIT_NOFILE, before)
        wait_until(lambda: last_run(storage, "gc"))


def test_a_store_that_is_gone_is_told_in_a_line(settings, caplog, capfd):
    """A disk that was unmounted: the next look tries again, and nobody has to read a traceback."""
    gone = replace(settings, storage=replace(settings.storage, root=Path("/proc/no/such/disk")))
    run_apart(gone)
    assert "maintenance was cut off (exit code 1)" in caplog.text
    told = capfd.readouterr().err
    assert "can't be opened: No such file or directory: '/proc/no" in told
    assert "Traceback" not in told
