"""The index is never believed against the tree, whatever becomes of it."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tempfile
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from registry_app.index_keeper import RECONCILE_EVERY, IndexKeeper, is_due
from registry_app.oci.digests import Digest
from registry_app.oci.names import Repository
from registry_app.storage import open_storage
from registry_app.storage.file_clock import FINE_TICK
from registry_app.storage.index import IndexState
from registry_app.storage.index_database import SCHEMA
from registry_app.storage.listings import version_of
from registry_app.storage.manifests import Manifests
from registry_app.storage.reconciliation import reconcile, seed
from tests.registry_app.storage.pushing import APP, body_of, image, place_manifest, push_blob, push_document, push_image

SUBJECT = Digest.of(b"subject")


def signature(number, subject=SUBJECT):
    """The document of a referrer, unlike others of another number."""
    described = {"mediaType": "text/plain", "digest": str(subject), "size": 7}
    return image(artifactType="a/sig", annotations={"number": str(number)}, subject=described)


def sign(storage, number, repository=APP):
    """Pushes a referrer of SUBJECT."""
    for content in (b"{}", b"layer"):
        push_blob(storage, content, repository)
    return push_document(storage, signature(number), repository=repository)


def found(storage, repository=APP, subject=SUBJECT):
    """The digests that are listed."""
    return [one["digest"] for one in storage.referrers.iterate(repository, subject)]


def age():
    """Waits until the folders are so old that their times are believed at once."""
    time.sleep(FINE_TICK)


@pytest.fixture
def never_read(monkeypatch):
    """From the call on, reading a manifest for the index fails the test."""
    return lambda: monkeypatch.setattr(Manifests, "content", lambda *_: pytest.fail("read again"))


def test_after_a_start_nothing_is_read_again(storage, never_read):
    """What one process learnt, the next one knows."""
    signed = [str(sign(storage, number)) for number in range(3)]
    age()
    assert found(storage) == sorted(signed)
    never_read()
    assert found(open_storage(storage.layout.root)) == sorted(signed)


def test_a_manifest_that_another_worker_pushed_is_found_at_once(storage):
    """And so is one that is gone."""
    other = open_storage(storage.layout.root)
    assert found(other) == []
    first, second = sign(storage, 1), sign(storage, 2)
    assert found(other) == sorted([str(first), str(second)])
    storage.manifests.delete(APP, first)
    assert found(other) == [str(second)]


def test_a_manifest_of_another_registry_is_found_at_once(storage):
    """It writes to the tree and knows of no index."""
    age_of = [sign(storage, 1)]
    age()
    assert found(storage) == [str(age_of[0])]
    digest = place_manifest(storage, signature(2))
    assert set(found(storage)) == {str(age_of[0]), str(digest)}


def test_a_manifest_comes_back_without_a_trace_in_its_folder_s_time(storage):
    """Its folder stayed while its content and its link were gone."""
    digest = sign(storage, 1)
    content, link = storage.layout.blob(digest), storage.layout.revision(APP, digest)
    body = content.read_bytes()
    content.unlink()
    link.unlink()
    age()
    assert found(storage) == []
    content.write_bytes(body)
    link.write_text(str(digest))
    age()
    assert found(storage) == [str(digest)]


def test_the_file_is_ours_alone(storage):
    """With what SQLite puts beside it."""
    sign(storage, 1)
    found(storage)
    files = list(storage.layout.own.glob("index.sqlite*"))
    assert len(files) >= 2
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}


def _delete(path):
    for file in path.parent.glob(path.name + "*"):
        file.unlink()


def _delete_the_main_file(path):
    path.unlink()


def _replace_by_rubbish(path):
    path.write_bytes(b"rubbish " * 4096)


def _overwrite_pages(path):
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.seek(200)
        file.write(b"\xff" * (path.stat().st_size - 200))


def _leave_to_a_later_version(path):
    with closing(sqlite3.connect(path)) as database, suppress(sqlite3.DatabaseError):  # it may be rubbish already
        database.execute(f"PRAGMA user_version = {SCHEMA + 1}")


def _empty(path):
    os.truncate(path, 0)


@pytest.mark.parametrize(
    "harm", [_delete, _delete_the_main_file, _replace_by_rubbish, _overwrite_pages, _leave_to_a_later_version, _empty]
)
@pytest.mark.parametrize("running", [True, False])
def test_an_index_that_is_harmed_is_made_anew_and_answers_are_right_meanwhile(storage, harm, running):
    """At rest, and while two processes use it."""
    digest = str(sign(storage, 1))
    age()
    workers = [storage, open_storage(storage.layout.root)]
    assert [found(worker) for worker in workers] == [[digest], [digest]]
    reconcile(storage)
    if not running:
        for worker in workers:
            worker.index.close()
    harm(storage.layout.index)
    if not running:
        workers = [open_storage(storage.layout.root) for _ in workers]
    for worker in workers:
        assert found(worker) == [digest]
    another = str(sign(workers[0], 2))
    for worker in workers:
        assert found(worker) == sorted([digest, another])
        assert worker.index.state().trouble is None
    if workers[0].index.state().dirty:
        assert "being compared" in workers[0].index.why_incomplete()
    IndexKeeper(workers[1]).look()
    assert not workers[0].index.state().dirty
    assert workers[0].index.count() == (2, 2)


def test_without_a_usable_file_the_index_is_in_memory(storage, caplog):
    """And readiness says why lists cost more after a start."""
    digest = str(sign(storage, 1))
    storage.layout.index.mkdir()
    assert found(storage) == [digest]
    assert found(storage) == [digest]
    assert "can't be used" in storage.index.why_incomplete()
    assert [record.message for record in caplog.records if "kept in memory" in record.message]
    assert reconcile(storage).repositories == 1


def test_what_is_in_memory_outlasts_attempts_to_use_the_file_again(storage, monkeypatch, never_read):
    """Each attempt would cost the reading of every manifest, were it forgotten; the file is used once it can be."""
    digest = str(sign(storage, 1))
    storage.layout.index.mkdir()
    age()
    assert found(storage) == [digest]
    storage.index._database._file_after = 0.0
    with monkeypatch.context() as reading:
        reading.setattr(Manifests, "content", lambda *_: pytest.fail("read again"))
        assert found(storage) == [digest]
    storage.layout.index.rmdir()
    storage.index._database._file_after = 0.0
    assert found(storage) == [digest]
    assert storage.index.state().trouble is None
    assert storage.layout.index.is_file()


def test_a_file_that_nobody_asks_is_let_go(storage):
    """An open one would keep a person from remounting the disk read-only."""
    keeper = IndexKeeper(storage)
    digest = str(sign(storage, 1))

    def is_open():
        for link in Path("/proc/self/fd").iterdir():
            with suppress(FileNotFoundError):  # the one by which these are listed
                if str(link.readlink()).startswith(str(storage.layout.index)):
                    return True
        return False

    keeper.look()
    assert not is_open()
    assert found(storage) == [digest]
    keeper.look()
    assert is_open(), "a question follows a question"
    storage.index._database._wanted_until -= 3
    keeper.look()
    assert not is_open()
    assert found(storage) == [digest]


def test_a_writer_that_blocks_the_index_blocks_nobody_else(storage, monkeypatch):
    """A list is told from the tree; nothing is kept, and nothing is missing later."""
    monkeypatch.setattr("registry_app.storage.index_database._BUSY_SECONDS", 0.05)
    storage.index.state()
    digest = str(sign(storage, 1))
    blocker = sqlite3.connect(storage.layout.index, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    waiting = open_storage(storage.layout.root)
    assert found(waiting) == [digest]
    assert found(waiting) == [digest]
    blocker.execute("ROLLBACK")
    blocker.close()
    assert found(waiting) == [digest]
    assert waiting.index.count() == (1, 1)


def test_a_comparison_learns_all_and_the_next_process_begins_with_it(storage, never_read, monkeypatch):
    """Manifests, and the names in folders that stood still."""
    push_image(storage, "v1")
    push_image(storage, "v1", repository=Repository("team/app/deep"))
    digest = str(sign(storage, 1))
    age()
    done = reconcile(storage)
    assert (done.repositories, done.tags, done.learnt) == (2, 2, 2)
    never_read()
    fresh = open_storage(storage.layout.root)
    seed(fresh)
    monkeypatch.setattr(type(fresh.files), "names", lambda *_: pytest.fail("listed again"))
    assert found(fresh) == [digest]
    assert fresh.repositories.list() == ["team/app", "team/app/deep"]
    assert fresh.tags.list(APP) == ["v1"]


def test_a_folder_that_changed_since_is_not_believed(storage):
    """By its time."""
    push_image(storage, "v1")
    age()
    reconcile(storage)
    (storage.layout.tags(APP) / "v2/current").mkdir(parents=True)
    (storage.layout.tags(APP) / "v2/current/link").write_text(str(SUBJECT))
    fresh = open_storage(storage.layout.root)
    seed(fresh)
    assert fresh.tags.list(APP) == ["v1", "v2"]


def test_a_lying_folder_is_seen_through_after_a_reindex(storage):
    """Every worker forgets what it remembered."""
    push_image(storage, "v1")
    push_image(storage, "v2")
    tags = str(storage.layout.tags(APP))
    worker = open_storage(storage.layout.root)
    keeper = IndexKeeper(worker)
    keeper.look()
    worker.listings.forget_all()
    worker.listings.seed([(tags, version_of(tags), ("v1",))])
    assert worker.tags.list(APP) == ["v1"], "else this tests nothing"
    storage.index.forget()
    assert storage.index.state().dirty
    keeper.look()
    assert worker.tags.list(APP) == ["v1", "v2"]
    assert not storage.index.state().dirty


def test_facts_of_manifests_that_are_gone_are_forgotten(storage, clock, monkeypatch):
    """Looked for once a day, when many are."""
    monkeypatch.setattr("registry_app.storage.reconciliation._SOME_STALE", 2)
    signed = [sign(storage, number) for number in range(5)]
    reconcile(storage)
    for digest in signed[1:]:
        storage.manifests.delete(APP, digest)
        storage.layout.blob(digest).unlink()
    reconcile(storage)
    assert storage.index.count() == (5, 5)
    clock.now += 86401
    reconcile(storage)
    assert storage.index.count() == (1, 1)
    assert found(storage) == [str(signed[0])]


def test_the_tree_is_compared_when_that_is_due():
    """At once if the index is dirty, else now and then, and less often where it takes long."""
    assert is_due(IndexState(), 100)
    clean = IndexState(dirty=False, reconciled=1000, seconds=0.1)
    assert not is_due(clean, 1000 + RECONCILE_EVERY - 1)
    assert is_due(clean, 1000 + RECONCILE_EVERY)
    assert is_due(clean, 900), "a time in the future is no reason to wait for it"
    assert not is_due(IndexState(dirty=False, reconciled=1000, seconds=10), 1000 + RECONCILE_EVERY)


class Histories(RuleBasedStateMachine):
    """Two workers and another registry write, the index suffers; lists of referrers always say what the tree says."""

    def __init__(self):
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.workers = [self.opened(), self.opened()]
        for content in (b"{}", b"layer"):
            for repository in (APP, Repository("other")):
                push_blob(self.workers[0], content, repository)
        self.there = {APP: set(), Repository("other"): set()}
        self.moment = 0

    def teardown(self):
        """Removes the tree."""
        for worker in self.workers:
            worker.index.close()
        shutil.rmtree(self.root)

    def opened(self):
        """A worker that believes every time at once: `changed` sees to it that each is unlike all others."""
        storage = open_storage(self.root)
        for listings in (storage.listings, storage.referrers._listings):
            listings._age_of = lambda _stamp: 60.0
        return storage

    def changed(self, repository):
        """Gives a folder a time of its own: in a test all happens in one tick of the kernel's clock."""
        self.moment += 1
        for folder in self.workers[0].layout.revisions(repository).glob("*"):
            os.utime(folder, ns=(self.moment, self.moment))

    REPOSITORIES = st.sampled_from([APP, Repository("other")])
    NUMBERS = st.integers(0, 3)

    @rule(repository=REPOSITORIES, number=NUMBERS, worker=st.integers(0, 1))
    def a_worker_takes_a_push(self, repository, number, worker):
        """Of a signature."""
        self.there[repository].add(str(push_document(self.workers[worker], signature(number), repository=repository)))
        self.changed(repository)

    @rule(repository=REPOSITORIES, number=NUMBERS)
    def another_registry_takes_a_push(self, repository, number):
        """Of a signature."""
        body = body_of(signature(number))
        digest = Digest.of(body)
        layout = self.workers[0].layout
        for path, content in ((layout.blob(digest), body), (layout.revision(repository, digest), str(digest).encode())):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        self.there[repository].add(str(digest))
        self.changed(repository)

    @rule(repository=REPOSITORIES, number=NUMBERS, worker=st.integers(0, 1))
    def a_worker_deletes(self, repository, number, worker):
        """A signature, if it is there."""
        digest = str(Digest.of(body_of(signature(number))))
        if digest in self.there[repository]:
            self.workers[worker].manifests.delete(repository, Digest.parse(digest))
            self.there[repository].remove(digest)
            self.changed(repository)

    @rule(harm=st.sampled_from([_delete, _delete_the_main_file, _replace_by_rubbish, _leave_to_a_later_version]))
    def the_index_suffers(self, harm):
        """While both have it open."""
        if self.workers[0].layout.index.exists():
            harm(self.workers[0].layout.index)

    @rule(worker=st.integers(0, 1))
    def a_worker_starts_anew(self, worker):
        """And begins with what the index holds."""
        self.workers[worker].index.close()
        self.workers[worker] = self.opened()
        seed(self.workers[worker])

    @rule(worker=st.integers(0, 1))
    def a_worker_compares(self, worker):
        """Index and tree."""
        reconcile(self.workers[worker])

    @rule()
    def somebody_reindexes(self):
        """From outside."""
        command = open_storage(self.root)
        command.index.forget()
        reconcile(command)
        command.index.close()

    @rule(worker=st.integers(0, 1), repository=REPOSITORIES)
    def a_worker_is_asked(self, worker, repository):
        """Now and then, by one of them only."""
        assert found(self.workers[worker], repository) == sorted(self.there[repository])

    @invariant()
    def lists_say_what_lies_there(self):
        """Of one repository, by the worker whose turn it is."""
        turn = self.moment % 2
        assert found(self.workers[turn]) == sorted(self.there[APP])


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)


def test_descriptors_are_those_of_the_specification(storage):
    """With annotations, and the size in bytes."""
    digest = sign(storage, 7)
    (one,) = storage.referrers.iterate(APP, SUBJECT)
    assert one == {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": str(digest),
        "size": len(body_of(signature(7))),
        "artifactType": "a/sig",
        "annotations": {"number": "7"},
    }
    assert json.dumps(one)
