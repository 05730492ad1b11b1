"""Who waits, who is sent away, who is looked at next, and at what priority."""

from __future__ import annotations

import itertools
import mmap
import os
import signal
import threading
import time

import bcrypt
import pytest

from registry_app.auth.failures import Standing
from registry_app.auth.lane import Clerk, Lane, LaneFullError, Priority, Rank
from registry_app.auth.shared import SHARE, SharedLogins


class Room:
    """A lane whose thread is busy until `open`, with callers in threads of their own."""

    def __init__(self, *clerks, places=2):
        self.lane = Lane("test", *(clerks or [Clerk()]), places=places)
        self.outcomes = {}
        self.order = []
        self.threads = []
        self.gate, self.busy = threading.Event(), threading.Event()

    def hold_up(self, rank):
        """A first caller whose check takes until the gate opens."""
        self._start("first", rank, lambda: (self.busy.set(), self.gate.wait(10)))
        assert self.busy.wait(10)

    def enter(self, name, rank):
        """One more caller; returns when somebody more waits or was sent away."""
        before = self._seen()
        self._start(name, rank, lambda: None)
        end = time.monotonic() + 10
        while self._seen() == before:
            assert time.monotonic() < end
            time.sleep(0.001)

    def _seen(self):
        return len(self.lane._waiting) + len(self.outcomes)

    def _start(self, name, rank, work):
        def attempt():
            try:
                self.lane.run(lambda: (self.order.append(name), work()), rank)
                self.outcomes[name] = "done"
            except LaneFullError:
                self.outcomes[name] = "sent away"

        self.threads.append(threading.Thread(target=attempt))
        self.threads[-1].start()

    def open(self):
        """Everyone who waits is looked at; gives the outcomes by name."""
        self.gate.set()
        for thread in self.threads:
            thread.join(10)
        return self.outcomes


@pytest.fixture
def room():
    """One whose thread is busy."""
    room = Room()
    room.hold_up(Rank())
    yield room
    room.open()


def test_a_full_lane_sends_away_those_with_the_worst_standing(room):
    """A user with a clean record gets a place among a spray."""
    for name, standing in (("bad 1", Standing(0, 5)), ("bad 2", Standing(0, 5)), ("good", Standing())):
        room.enter(name, Rank(standing=standing))
    outcomes = room.open()
    assert outcomes["good"] == "done"
    assert sorted((outcomes["bad 1"], outcomes["bad 2"])) == ["done", "sent away"]
    assert room.order[1] == "good"


def test_who_came_back_goes_before_all_who_did_not_whatever_their_record(room):
    """A flood at one's own name, from one's own address, makes one's standing as bad as the flood's."""
    room.enter("came back", Rank(1, Standing(99, 99)))
    for number in range(20):
        room.enter(f"flood {number}", Rank(0, Standing(number % 3, number)))
    outcomes = room.open()
    assert outcomes["came back"] == "done"
    assert room.order[1] == "came back"
    assert sum(outcome == "sent away" for outcome in outcomes.values()) == 19


def test_of_two_who_came_back_the_one_who_did_more_often_goes_first(room):
    """So nobody who goes on asking stays outside, even among guessers who ask for each password several times."""
    room.enter("twice", Rank(2))
    room.enter("seven times", Rank(7))
    room.enter("thrice", Rank(3))
    assert room.open()["twice"] == "sent away"
    assert room.order == ["first", "seven times", "thrice"]


def test_a_clerk_for_those_who_came_back_sees_nobody_else():
    """However long the other one is busy."""
    room = Room(Clerk(), Clerk(least_returns=1), places=4)
    gone = threading.Event()
    room.hold_up(Rank())
    room.enter("new", Rank())
    threading.Thread(target=lambda: (room.lane.run(lambda: None, Rank(1)), gone.set()), daemon=True).start()
    assert gone.wait(5)
    assert room.order == ["first"]
    room.open()
    assert room.order == ["first", "new"]


def test_who_has_to_wait_is_looked_at_when_the_time_has_come():
    """And not before."""
    lane = Lane("test", Clerk(), places=4)
    began = time.monotonic()
    lane.run(lambda: None, Rank(delay=0.2))
    assert 0.2 <= time.monotonic() - began < 5


def test_what_goes_wrong_in_a_check_reaches_the_caller_and_the_lane_goes_on():
    """A lane whose thread died would hang every login."""
    lane = Lane("test", Clerk(Priority.IDLE), places=2)
    with pytest.raises(ZeroDivisionError):
        lane.run(lambda: 1 // 0, Rank())
    assert lane.run(lambda: 5, Rank()) == 5


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_a_registry_that_was_started_nicer_than_that_checks_logins_all_the_same():
    """Nobody but root can be less nice; a thread that died of it would let every login hang."""
    child = os.fork()
    if not child:
        os.nice(15)
        os.setuid(65534)
        done = Lane("test", Clerk(Priority.LOW), places=2).run(lambda: 5, Rank())
        os._exit(0 if done == 5 else 1)
    end = time.monotonic() + 10
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < end:
        time.sleep(0.05)
    if ended == (0, 0):
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert ended[1] == 0
    assert ended[0] == child


def test_workers_take_turns_and_a_dead_one_gives_its_turn_up():
    """So that a spray gets one core at the most, and no crash ends all logins."""
    shared = SharedLogins()
    ready, done = os.pipe()
    child = os.fork()
    if not child:
        with shared.turn():
            os.write(done, b"x")
            time.sleep(60)
        os._exit(0)
    os.read(ready, 1)
    got = threading.Event()

    def take():
        with shared.turn():
            got.set()

    waiting = threading.Thread(target=take)
    waiting.start()
    assert not got.wait(0.2)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert got.wait(5)
    waiting.join(5)


def test_a_worker_with_much_to_check_lets_the_others_have_their_turns():
    """It comes again at once, while one that waits has to wake up first: that one would wait for a whole spray."""
    shared, others, salt = SharedLogins(), mmap.mmap(-1, 4096), bcrypt.gensalt(8)

    def check():
        with shared.turn():
            bcrypt.hashpw(b"guess", salt)

    child = os.fork()
    if not child:
        for turn in itertools.count():
            check()
            others[turn] = 1
    try:
        while not others[0]:
            time.sleep(0.01)
        before = others[:].count(1)
        for _ in range(60):
            check()
        assert 58 <= others[:].count(1) - before <= 62
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_those_who_came_back_get_a_part_of_one_core():
    """A turn that took time is followed by a rest, so the machine's pulls keep nine tenths of it."""
    shared = SharedLogins()
    with shared.short_turn():
        began, used = time.monotonic(), time.thread_time()
        while time.thread_time() - used < 0.02:
            pass
    with shared.short_turn():
        pass
    assert time.monotonic() - began >= 0.02 / SHARE * 0.95
    began = time.monotonic()
    with shared.short_turn():
        assert time.monotonic() - began < 1  # a loaded machine may hold it up, a rest is none
