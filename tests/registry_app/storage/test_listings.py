"""Remembered names of folders are never older than the tree."""

from __future__ import annotations

import os
import shutil
import time

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from registry_app.oci.names import Repository
from registry_app.storage import open_storage
from registry_app.storage.file_clock import COARSE_TICK, FINE_TICK, FileClock, tick_of
from registry_app.storage.files import Files
from registry_app.storage.listings import Listings

DIGEST = "sha256:" + "a" * 64


class Clock:
    """A clock that a test moves."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    """A clock at zero."""
    return Clock()


@pytest.fixture
def listings(tmp_path, clock):
    """Listings of the folders below tmp_path."""
    return Listings(Files(tmp_path, drafts=tmp_path), age_of=lambda _stamp: 0.0, clock=clock)


def settle(listings, clock, folder):
    """Looks at a folder until its names are believed."""
    listings.names(folder)
    clock.now += COARSE_TICK
    listings.names(folder)


def test_names_come_sorted_and_only_of_folders(listings, tmp_path):
    """Files, and links to folders, are not among them."""
    for name in ("b", "a", "c"):
        (tmp_path / name).mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert listings.names(str(tmp_path)) == ("a", "b", "c")
    assert listings.names(str(tmp_path / "nowhere")) == ()


def test_a_settled_folder_is_not_read_again(listings, clock, tmp_path, monkeypatch):
    """Only its time is looked at."""
    (tmp_path / "a").mkdir()
    settle(listings, clock, str(tmp_path))
    monkeypatch.setattr(Files, "names", lambda *_: pytest.fail("read again"))
    assert listings.names(str(tmp_path)) == ("a",)


def test_a_change_shows_at_the_next_look(listings, clock, tmp_path):
    """Whoever made it, new names and removed ones."""
    (tmp_path / "a").mkdir()
    settle(listings, clock, str(tmp_path))
    (tmp_path / "b").mkdir()
    assert listings.names(str(tmp_path)) == ("a", "b")
    settle(listings, clock, str(tmp_path))
    (tmp_path / "a").rmdir()
    assert listings.names(str(tmp_path)) == ("b",)
    shutil.rmtree(tmp_path / "b")
    assert listings.names(str(tmp_path)) == ()


def test_a_change_whose_time_was_put_back_shows_at_the_next_look(listings, clock, tmp_path):
    """As tar, rsync and cp put it back when they copy over a tree."""
    (tmp_path / "a").mkdir()
    settle(listings, clock, str(tmp_path))
    before = tmp_path.stat()
    (tmp_path / "b").mkdir()
    os.utime(tmp_path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert listings.names(str(tmp_path)) == ("a", "b")


def test_a_time_is_believed_once_it_stood_still(listings, clock, tmp_path, monkeypatch):
    """Two changes in one tick of the file system's clock look like one."""
    (tmp_path / "a").mkdir()
    monkeypatch.setattr("registry_app.storage.listings.version_of", lambda _folder: (1_000_001, 1, 1, 1))
    assert listings.names(str(tmp_path)) == ("a",)
    (tmp_path / "b").mkdir()
    clock.now += FINE_TICK / 2
    assert listings.names(str(tmp_path)) == ("a", "b")
    (tmp_path / "c").mkdir()
    clock.now += FINE_TICK / 2
    assert listings.names(str(tmp_path)) == ("a", "b", "c")
    (tmp_path / "impossible").mkdir()
    assert listings.names(str(tmp_path)) == ("a", "b", "c")


def test_a_time_of_long_ago_is_believed_at_the_first_look(tmp_path, monkeypatch):
    """By the file system's own clock, so that a start costs each folder one reading."""
    (tmp_path / "a").mkdir()
    listings = Listings(Files(tmp_path, drafts=tmp_path), age_of=lambda _stamp: COARSE_TICK)
    listings.names(str(tmp_path))
    monkeypatch.setattr(Files, "names", lambda *_: pytest.fail("read again"))
    assert listings.names(str(tmp_path)) == ("a",)


def test_stamps_of_whole_seconds_are_believed_later():
    """A file system that keeps times to two seconds gives many changes the same."""
    assert tick_of(1_700_000_000_123_456_789) == FINE_TICK
    assert tick_of(1_700_000_000_000_000_000) == tick_of(1_700_000_000_120_000_000) == COARSE_TICK


@pytest.mark.parametrize("behind", [0.0, 300.0, -300.0])
def test_ages_are_by_the_clock_of_the_file_system(tmp_path, behind):
    """However far ours is from it."""
    clock = FileClock(tmp_path, wall_clock=lambda: time.time() - behind)
    stamp = time.time_ns()
    assert 99.9 < clock.age_of(stamp - 100 * 10**9) < 102
    assert clock.age_of(stamp + 100 * 10**9) < 0


def test_where_the_file_system_can_not_be_asked_nothing_is_old(tmp_path):
    """Then a time must stand still before our eyes."""
    assert FileClock(tmp_path / "nowhere").age_of(0) == 0.0


def test_a_folder_that_was_replaced_is_another_folder(listings, clock, tmp_path):
    """Even with the same time."""
    folder = tmp_path / "f"
    (folder / "a").mkdir(parents=True)
    settle(listings, clock, str(folder))
    time = folder.stat()
    folder.rename(tmp_path / "old")
    (folder / "b").mkdir(parents=True)
    os.utime(folder, ns=(time.st_atime_ns, time.st_mtime_ns))
    assert listings.names(str(folder)) == ("b",)


def test_memory_is_bounded(listings, tmp_path, monkeypatch):
    """Old folders are forgotten for new ones."""
    monkeypatch.setattr("registry_app.storage.listings.MOST_NAMES", 10)
    for number in range(20):
        (tmp_path / str(number) / "x").mkdir(parents=True)
        listings.names(str(tmp_path / str(number)))
    assert len(listings._known) == 5


NAMES = st.sampled_from(["a", "a/b", "a/b/c", "b", "b-c", "b/c", "z"])
TAGS = st.sampled_from(["1", "2", "latest"])


class Trees(RuleBasedStateMachine):
    """A tree that ours and others change by turns; lists always say what lies there."""

    def __init__(self):
        super().__init__()
        import tempfile
        from pathlib import Path

        self.root = Path(tempfile.mkdtemp())
        self.storage = open_storage(self.root)
        self.clock = Clock()
        for listings in {id(s): s for s in (self.storage.tags._listings, self.storage.repositories._listings)}.values():
            listings._clock = self.clock
        self.tree = self.root / "docker/registry/v2/repositories"
        self.moment = 0

    def changed(self, path):
        """Gives the folders above a change times of their own: in a test all happens in one tick of the kernel."""
        self.moment += 1
        for folder in path.parents:
            if folder == self.root:
                break
            if folder.exists():
                os.utime(folder, ns=(self.moment, self.moment))

    def teardown(self):
        """Removes the tree."""
        shutil.rmtree(self.root)

    @rule(name=NAMES, tag=TAGS)
    def someone_tags(self, name, tag):
        """A tag appears, as any registry makes it."""
        link = self.tree / name / "_manifests/tags" / tag / "current/link"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.write_text(DIGEST)
        self.changed(link)

    @rule(name=NAMES, tag=TAGS)
    def someone_untags(self, name, tag):
        """A tag goes, with its folder."""
        shutil.rmtree(self.tree / name / "_manifests/tags" / tag, ignore_errors=True)
        self.changed(self.tree / name / "_manifests/tags" / tag)

    @rule(name=NAMES, tag=TAGS)
    def someone_untags_halfway(self, name, tag):
        """The link goes and the folder stays."""
        (self.tree / name / "_manifests/tags" / tag / "current/link").unlink(missing_ok=True)

    @rule(name=NAMES)
    def someone_removes(self, name):
        """A repository goes."""
        for part in ("_manifests", "_layers", "_uploads"):
            shutil.rmtree(self.tree / name / part, ignore_errors=True)
        self.changed(self.tree / name / "_manifests")

    @rule(seconds=st.sampled_from([0.0, 1.0, COARSE_TICK, 60.0]))
    def time_passes(self, seconds):
        """Names may be believed from now on."""
        self.clock.now += seconds

    @invariant()
    def lists_say_what_lies_there(self):
        """The catalog, its pages, and every list of tags."""
        present = {str(p.parent.relative_to(self.tree)) for p in self.tree.rglob("_manifests")}
        expected = sorted(present, key=lambda name: name.split("/"))
        assert self.storage.repositories.list() == expected
        for place, name in enumerate(expected):
            assert self.storage.repositories.list(last=name, limit=2) == expected[place + 1 : place + 3]
            links = (self.tree / name / "_manifests/tags").glob("*/current/link")
            tags = sorted(link.parent.parent.name for link in links)
            assert self.storage.tags.list(Repository(name)) == tags


TestTrees = Trees.TestCase
TestTrees.settings = settings(max_examples=20, stateful_step_count=25, deadline=None)
