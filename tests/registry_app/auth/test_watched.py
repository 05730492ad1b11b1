"""Files that are read again when they change."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from registry_app.auth.watched import FileRefusedError, WatchedFile


class Clock:
    """Seconds since the epoch, moved by hand."""

    def __init__(self):
        self.now = 1_000_000_000.0

    def __call__(self):
        return self.now


def parse(content: bytes) -> str:
    """Text; refuses what is bad."""
    if b"bad" in content:
        raise FileRefusedError("line 1 is bad")
    if b"unforeseen" in content:
        raise LookupError(content)
    return content.decode()


@pytest.fixture
def clock():
    """A clock of the test's own."""
    return Clock()


def write(path, text, at):
    """Writes a file with the given time of change."""
    path.write_text(text)
    os.utime(path, (at, at))


@pytest.fixture
def watched(tmp_path, clock):
    """A file that says one."""
    write(tmp_path / "file", "one", clock.now - 10)
    return WatchedFile(tmp_path / "file", parse, fallback="nothing", clock=clock)


def test_a_change_is_in_force_within_a_second(watched, clock):
    """The file is looked at every half second."""
    assert watched.current() == "one"
    write(watched.path, "two", clock.now)
    clock.now += 1
    assert watched.current() == "two"


def test_a_replaced_file_is_seen_even_with_the_same_time_and_size(watched, clock):
    """An atomic rename may keep size and time, never the inode."""
    found = watched.path.stat()
    draft = watched.path.with_name("draft")
    write(draft, "two", found.st_mtime)
    draft.replace(watched.path)
    clock.now += 1
    assert watched.current() == "two"


@pytest.mark.parametrize("mischief", ["vanished", "bad", "unforeseen", "folder", "fifo", "huge"])
def test_the_last_good_content_stays_in_force_and_the_problem_is_told(watched, clock, mischief):
    """Whatever happens to the file: never open, never an exception, and good again when the file is."""
    path = watched.path
    path.unlink()
    if mischief in {"bad", "unforeseen"}:
        write(path, mischief, clock.now - 5)
    elif mischief == "folder":
        path.mkdir()
    elif mischief == "fifo":
        os.mkfifo(path)
    elif mischief == "huge":
        with path.open("wb") as file:
            file.truncate(1 << 30)
    clock.now += 1
    assert watched.current() == "one"
    assert str(path) in watched.problem
    path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
    write(path, "three", clock.now - 1)
    clock.now += 1
    assert watched.current() == "three"
    assert watched.problem is None


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
@pytest.mark.parametrize("hidden", ["file", "folder"])
def test_a_file_that_may_not_be_read_any_more_leaves_the_last_good_content_in_force(clock, hidden):
    """Somebody else's mode or owner, of the file or of a folder above it."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "file"
        write(path, "one", clock.now - 10)
        Path(place).chmod(0o755)
        os.seteuid(65534)
        try:
            watched = WatchedFile(path, parse, fallback="nothing", clock=clock)
            assert watched.current() == "one"
            os.seteuid(0)
            (path if hidden == "file" else path.parent).chmod(0)
            write(path, "two", clock.now - 5)
            os.seteuid(65534)
            clock.now += 1
            assert watched.current() == watched.latest() == "one"
            assert "Permission denied" in watched.why_stale()
            os.seteuid(0)
            path.parent.chmod(0o755)
            path.chmod(0o644)
            os.seteuid(65534)
            clock.now += 1
            assert watched.current() == "two"
            assert watched.problem is None
        finally:
            os.seteuid(0)


def test_a_file_that_was_never_readable_lets_the_fallback_rule(tmp_path, clock):
    """At start without the file nobody gets in, and the problem says why."""
    watched = WatchedFile(tmp_path / "absent", parse, fallback="nothing", clock=clock)
    assert watched.current() == "nothing"
    assert "No such file" in watched.problem


def test_a_file_in_the_middle_of_being_written_is_left_to_settle(watched, clock):
    """htpasswd(1) truncates and writes in place."""
    clock.now += 1
    write(watched.path, "", clock.now - 0.05)
    assert watched.current() == "one"
    write(watched.path, "four", clock.now)
    clock.now += 0.6
    assert watched.current() == "four"


def test_a_file_that_is_written_without_pause_is_read_all_the_same(watched, clock):
    """Who was taken out of it must not stay in for as long as somebody writes."""
    for _ in range(3):
        clock.now += 0.6
        write(watched.path, "two", clock.now - 0.05)
        watched.current()
    assert watched.current() == "two"


def test_a_replaced_file_can_be_asked_for_at_once(watched, clock):
    """Without waiting for the next look: it came whole, by a rename."""
    draft = watched.path.with_name("draft")
    write(draft, "two", clock.now)
    draft.replace(watched.path)
    assert watched.current() == "one"
    assert watched.latest() == "two"


def test_a_clock_that_is_set_back_does_not_stop_the_looking(watched, clock):
    """NTP may step the clock by hours."""
    watched.current()
    clock.now -= 7200
    write(watched.path, "two", clock.now - 5)
    assert watched.current() == "two"
