"""What is remembered about files is what a fresh reading would say."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from registry_app.storage.files import Files
from registry_app.storage.remembered import STANDS_STILL, Found, Remembered

if TYPE_CHECKING:
    from pathlib import Path

TICK = 0.012
"""Seconds; no less than a tick of the kernel's clock."""


class Shelf:
    """Files by name in a folder, read through memory, with a count of the readings."""

    def __init__(self, folder: Path, *, most: int = 100) -> None:
        self.folder = folder
        self.readings = 0
        self.ahead = STANDS_STILL + 1.0
        self.files = Files(folder, drafts=folder)
        self.remembered = Remembered(self._read, most=most, clock=lambda: time.time() + self.ahead)

    def _read(self, name: str) -> Found[bytes]:
        self.readings += 1
        path = self.folder / name
        content, file = self.files.read_with_stat(path, limit=1000)
        return Found(content, path, file, keep=len(content) < 100)

    def get(self, name: str) -> bytes | None:
        """What the file holds, by memory; None if there is none."""
        try:
            return self.remembered.get(name).value
        except FileNotFoundError:
            return None


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """An empty folder, whose files count as unchanged for a while at once."""
    return Shelf(tmp_path.resolve())


def test_an_unchanged_file_is_read_once(shelf: Shelf) -> None:
    """The look at its identity is all that later requests cost."""
    (shelf.folder / "a").write_bytes(b"1")
    assert [shelf.get("a") for _ in range(5)] == [b"1"] * 5
    assert shelf.readings == 1


def test_a_file_that_changed_a_moment_ago_is_read_each_time(shelf: Shelf) -> None:
    """Another change within the same tick of the clock would leave the same times behind."""
    shelf.ahead = 0.0
    (shelf.folder / "a").write_bytes(b"1")
    assert [shelf.get("a") for _ in range(3)] == [b"1"] * 3
    assert shelf.readings == 3


def touch(path: Path, modified: int) -> None:
    """Sets the times of a file, as the renewal of a lease does."""
    os.utime(path, ns=(modified, modified))


def test_a_file_whose_times_were_set_is_not_read_again(shelf: Shelf) -> None:
    """The renewal of a lease changes nothing that was read, and later looks show the new time."""
    (shelf.folder / "a").write_bytes(b"1")
    shelf.get("a")
    for modified in (1_000_000_001, 2_000_000_002):
        touch(shelf.folder / "a", modified)
        shelf.remembered.touched("a", modified)
        found = shelf.remembered.get("a")
        assert found.file is not None
        assert (found.value, found.file.st_mtime_ns) == (b"1", modified)
    assert shelf.readings == 1


@pytest.mark.parametrize("change", ["written", "replaced", "longer", "gone"])
def test_whoever_changes_a_file_whose_times_were_set_is_noticed(shelf: Shelf, change: str) -> None:
    """Before or after the look at the new times."""
    path = shelf.folder / "a"
    for before in (True, False):
        path.write_bytes(b"1")
        os.utime(path)
        assert shelf.get("a") == b"1"
        touch(path, 1_000_000_001)
        if not before:
            shelf.remembered.touched("a", 1_000_000_001)
        if change == "gone":
            path.unlink()
        elif change == "replaced":
            (shelf.folder / "b").write_bytes(b"2")
            touch(shelf.folder / "b", 1_000_000_001)
            (shelf.folder / "b").rename(path)
        else:
            path.write_bytes(b"2" if change == "written" else b"22")
        if before:
            shelf.remembered.touched("a", 1_000_000_001)
        assert shelf.get("a") == (path.read_bytes() if path.exists() else None)


def test_a_file_that_is_not_known_is_not_known_by_setting_its_times(shelf: Shelf) -> None:
    """Nothing was read yet."""
    (shelf.folder / "a").write_bytes(b"1")
    shelf.remembered.touched("a", 1)
    assert shelf.get("a") == b"1"
    assert shelf.readings == 1


def test_large_content_is_not_kept(shelf: Shelf) -> None:
    """Memory holds what is asked for often and costs little."""
    (shelf.folder / "a").write_bytes(b"1" * 500)
    shelf.get("a")
    shelf.get("a")
    assert shelf.readings == 2


def test_memory_is_bounded(tmp_path: Path) -> None:
    """Beyond the bound everything is forgotten and read anew, never wrong."""
    shelf = Shelf(tmp_path.resolve(), most=3)
    for number in range(10):
        (shelf.folder / str(number)).write_bytes(b"%d" % number)
    for _ in range(2):
        assert [shelf.get(str(number)) for number in range(10)] == [b"%d" % number for number in range(10)]
    assert shelf.readings == 20


def test_a_change_whose_modification_time_was_put_back_shows(shelf: Shelf) -> None:
    """The time of the inode can't be put back."""
    path = shelf.folder / "a"
    path.write_bytes(b"1")
    before = path.stat()
    assert shelf.get("a") == b"1"
    time.sleep(TICK)
    path.write_bytes(b"2")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert shelf.get("a") == b"2"


def test_a_link_planted_in_the_place_of_a_remembered_file_leads_nowhere(shelf: Shelf) -> None:
    """Another file at the path is opened anew, and a symbolic link is not followed."""
    (shelf.folder / "secret").write_bytes(b"secret")
    path = shelf.folder / "a"
    path.write_bytes(b"1")
    assert shelf.get("a") == b"1"
    path.unlink()
    path.symlink_to("secret")
    assert shelf.get("a") is None


class Changes(RuleBasedStateMachine):
    """Files come, go, are replaced, swapped and written in place; memory always says what lies there."""

    folder: Path
    names = st.sampled_from(["a", "b", "c"])

    @initialize()
    def begin(self) -> None:
        for path in self.folder.iterdir():
            path.unlink()
        self.shelf = Shelf(self.folder, most=2)

    @rule(name=names, content=st.binary(min_size=1, max_size=3))
    def replace(self, name: str, content: bytes) -> None:
        new = self.folder / "new"
        new.write_bytes(content)
        new.rename(self.folder / name)

    @rule(name=names)
    def remove(self, name: str) -> None:
        (self.folder / name).unlink(missing_ok=True)

    @rule(one=names, other=names)
    def swap(self, one: str, other: str) -> None:
        paths = self.folder / one, self.folder / other
        if one != other and all(path.exists() for path in paths):
            paths[0].rename(self.folder / "aside")
            paths[1].rename(paths[0])
            (self.folder / "aside").rename(paths[1])

    @rule(name=names, renewed=st.floats(1e9, 2e9))
    def renew(self, name: str, renewed: float) -> None:
        if (self.folder / name).exists():
            os.utime(self.folder / name, (renewed, renewed))

    @invariant()
    def a_tick_passes(self) -> None:
        time.sleep(TICK)  # memory waits for longer before it believes a file; here its clock is ahead

    @invariant()
    def memory_is_right(self) -> None:
        for name in ("a", "b", "c"):
            path = self.folder / name
            assert self.shelf.get(name) == (path.read_bytes() if path.exists() else None)
            if path.exists():
                assert self.shelf.remembered.get(name).file.st_mtime == path.stat().st_mtime  # type: ignore[union-attr]


def test_memory_is_right_after_any_changes(tmp_path: Path) -> None:
    """Whatever happens to the files, what is remembered is what is there."""
    Changes.folder = tmp_path.resolve()
    run_state_machine_as_test(Changes, settings=settings(max_examples=10, stateful_step_count=25, deadline=None))
