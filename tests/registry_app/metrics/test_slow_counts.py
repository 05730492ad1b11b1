"""Numbers that take a walk: told at once where it is short, and never waited for where it is long."""

from __future__ import annotations

import threading
import time

import pytest

from registry_app.metrics import sources
from registry_app.metrics.slow_counts import WALK_TIMES, WALKED_AGAIN_AFTER, SlowCount


class Store:
    """Something to count: a walk takes until `open` is set, and by the clock so many seconds."""

    def __init__(self):
        self.now = 1000.0
        self.takes = 0.0
        self.holds = 1
        self.walks = 0
        self.open = threading.Event()
        self.open.set()

    def count(self):
        self.walks += 1
        self.open.wait(10)
        self.now += self.takes
        if self.holds < 0:
            raise PermissionError(13, "Permission denied")
        return self.holds

    def clock(self):
        return self.now


@pytest.fixture
def store():
    """Whose walks are short until a test says otherwise."""
    made = Store()
    yield made
    made.open.set()


def outcome(asked):
    """The answer, or that there is a failure instead."""
    try:
        return asked()
    except PermissionError:
        return "failed"


def settle(asked, expected):
    """Asks until the answer is as expected: a walk ends in its own time."""
    end = time.monotonic() + 5
    while (found := outcome(asked)) != expected:
        assert time.monotonic() < end, found
        time.sleep(0.01)


def test_a_short_walk_is_told_by_the_first_answer_and_remembered(store):
    """One walk a minute, however often it is asked for."""
    asked = SlowCount(store.count, clock=store.clock, patience=5)
    store.holds = 7
    assert [asked() for _ in range(5)] == [7] * 5
    store.holds = 8
    assert asked() == 7
    store.now += WALKED_AGAIN_AFTER
    assert asked() == 8
    assert store.walks == 2


def test_who_asks_does_not_wait_for_a_long_walk(store):
    """Nothing is told before the first one's end, then what the last one found; no second one begins meanwhile."""
    asked = SlowCount(store.count, clock=store.clock, patience=0.01)
    store.open.clear()
    assert [asked() for _ in range(5)] == [None] * 5
    assert store.walks == 1
    store.open.set()
    settle(asked, 1)
    store.now += WALKED_AGAIN_AFTER
    store.open.clear()
    store.holds = 2
    assert [asked() for _ in range(5)] == [1] * 5
    store.open.set()
    settle(asked, 2)
    assert store.walks == 2


def test_a_long_walk_is_made_less_often(store):
    """It may take a twentieth of the time."""
    asked = SlowCount(store.count, clock=store.clock, patience=5)
    store.takes = 600.0
    assert asked() == 1
    store.now += 600 * (WALK_TIMES - 1)
    assert asked() == 1
    assert store.walks == 1
    store.now += 600
    asked()
    assert store.walks == 2


def test_a_walk_that_fails_is_told_each_time_and_tried_again(store):
    """Also where it took so long that nobody waited for its end."""
    asked = SlowCount(store.count, clock=store.clock, patience=0.01)
    store.holds = -1
    store.open.clear()
    assert asked() is None
    store.open.set()
    settle(asked, "failed")
    assert [outcome(asked) for _ in range(3)] == ["failed"] * 3
    store.holds = 5
    settle(asked, 5)


def test_what_nobody_knows_yet_is_left_out():
    """No value is better than one that was made up."""
    read = sources.numbers({"registry_upload_sessions": lambda: None, "registry_quarantined_blobs": lambda: 3})
    assert [(told.name, told.value) for told in read()] == [("registry_quarantined_blobs", 3)]
