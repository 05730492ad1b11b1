"""One thread serves the resting connections, and whoever takes long is left alone with what it does."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager

import pytest

from registry_app.leading import IDLE, PATIENCE, Leading, give_way

SOON = 5.0  # seconds


class Kept:
    """A connection, and the client's end of it."""

    def __init__(self) -> None:
        self.sock, self.client = socket.socketpair()
        self.client.settimeout(SOON)

    def ask(self, what: bytes) -> bytes:
        """The answer to a request of one byte."""
        self.client.sendall(what)
        return self.client.recv(1)

    def close(self) -> None:
        """Both ends."""
        self.sock.close()
        self.client.close()


class Service:
    """Echoes; `h` waits until it may go on, `e` fails, `r` resigns before it waits, `q` is the last request."""

    def __init__(self, threads: int = 4) -> None:
        self.now = 0.0
        self.may_go_on = threading.Event()
        self.busy = threading.Semaphore(0)
        self.left: list[tuple[Kept, bool]] = []
        self.someone_left = threading.Semaphore(0)
        self.servers: list[int] = []
        self.kept: list[Kept] = []
        self.leading = Leading(self.serve, self.leave, threads=threads, clock=lambda: self.now)

    def serve(self, kept: Kept) -> bool:
        what = kept.sock.recv(1)
        self.servers.append(threading.get_ident())
        if what == b"e":
            raise SystemExit
        if what in b"hr":
            if what == b"r":
                give_way()
            self.busy.release()
            assert self.may_go_on.wait(SOON)
        kept.sock.sendall(what)
        return what not in b"q"

    def leave(self, kept: Kept, outcome: bool) -> None:
        self.left.append((kept, outcome))
        self.someone_left.release()

    def adopted(self) -> Kept:
        kept = self.made()
        self.leading.adopt(kept)
        return kept

    def made(self) -> Kept:
        self.kept.append(Kept())
        return self.kept[-1]

    def hold(self, kept: Kept, what: bytes = b"h") -> None:
        """Sends a request that does not come to its end."""
        kept.client.sendall(what)
        assert self.busy.acquire(timeout=SOON)

    def watch_twice(self) -> None:
        """What the main thread sees before and after a leader's time is over."""
        assert self.leading.watch() == []
        self.now += PATIENCE
        assert self.leading.watch() == []


@contextmanager
def running(threads: int = 4):
    """A service that ends."""
    service = Service(threads)
    try:
        yield service
    finally:
        service.may_go_on.set()
        service.leading.end()
        for kept in service.kept:
            kept.close()


@pytest.fixture
def service():
    """One of four threads."""
    with running() as started:
        yield started


def test_one_thread_serves_all_connections(service):
    """Requests in turn on many connections are answered, all by the same thread."""
    many = [service.adopted() for _ in range(5)]
    for _ in range(3):
        assert [kept.ask(b"x") for kept in many] == [b"x"] * 5
    assert len(set(service.servers)) == 1
    assert service.left == []


def test_another_thread_leads_when_a_request_takes_long(service):
    """The others are answered meanwhile; the one that took long is left with its outcome."""
    slow, quick = service.adopted(), service.adopted()
    service.hold(slow)
    service.watch_twice()
    assert quick.ask(b"x") == b"x"
    assert len(set(service.servers)) == 2
    service.may_go_on.set()
    assert slow.client.recv(1) == b"h"
    assert service.someone_left.acquire(timeout=SOON)
    assert service.left == [(slow, True)]
    service.leading.adopt(slow)
    assert (slow.ask(b"y"), quick.ask(b"z")) == (b"y", b"z")


def test_many_requests_that_each_end_in_time_leave_the_leader_alone(service):
    """A leader that is always busy is not one that takes long."""
    kept = service.adopted()
    for _ in range(5):
        assert kept.ask(b"x") == b"x"
        service.now += PATIENCE
        assert service.leading.watch() == []
    assert len(set(service.servers)) == 1


def test_who_resigns_is_not_waited_for(service):
    """Nobody has to notice."""
    slow, quick = service.adopted(), service.adopted()
    service.hold(slow, b"r")
    assert quick.ask(b"x") == b"x"
    service.may_go_on.set()
    assert slow.client.recv(1) == b"r"


def test_resigning_means_nothing_to_who_does_not_lead(service):
    """A thread of gunicorn's pool may say it as well."""
    kept = service.adopted()
    assert kept.ask(b"x") == b"x"
    service.leading.resign()
    assert kept.ask(b"y") == b"y"
    assert len(set(service.servers)) == 1


def test_no_more_requests_are_served_than_there_are_threads():
    """Two that take long are all that two threads do; the third request is answered when one of them has ended."""
    with running(threads=2) as service:
        held, third = [service.adopted(), service.adopted()], service.adopted()
        for kept in held:
            service.hold(kept)
            service.watch_twice()
        third.client.sendall(b"x")
        third.client.settimeout(0.1)
        with pytest.raises(TimeoutError):
            third.client.recv(1)
        service.may_go_on.set()
        third.client.settimeout(SOON)
        assert third.client.recv(1) == b"x"


@pytest.mark.parametrize("last", [b"q", b"e"])
def test_a_connection_that_ends_is_left(service, last):
    """After its last request, or one that failed; the others go on."""
    ending, other = service.adopted(), service.adopted()
    ending.client.sendall(last)
    assert service.someone_left.acquire(timeout=SOON)
    assert service.left == [(ending, False)]
    ending.sock.close()
    assert other.ask(b"x") == b"x"


def test_idle_connections_are_let_go(service):
    """Whoever asked nothing for a while is given back, and is served here no more."""
    idle, busy = service.adopted(), service.adopted()
    service.now = IDLE
    assert service.leading.watch() == []
    assert busy.ask(b"x") == b"x"
    service.now = 2 * IDLE
    assert service.leading.watch() == [idle]
    idle.client.sendall(b"x")
    assert busy.ask(b"y") == b"y"
    assert idle.sock.recv(1) == b"x"


def test_release_lets_all_go_but_the_one_that_is_served(service):
    """Whoever is in the middle of an answer gets it."""
    slow, resting = service.adopted(), service.adopted()
    service.hold(slow)
    assert service.leading.release() == [resting]
    service.may_go_on.set()
    assert slow.client.recv(1) == b"h"
    end = time.monotonic() + SOON
    while not (left := service.leading.release()) and time.monotonic() < end:
        time.sleep(0.001)
    assert left == [slow]
    assert not service.leading.needs_watching


def test_a_place_that_was_taken_again_is_not_given_up(service):
    """A connection that was closed while it was served leaves its number to another one."""
    closed, other = service.adopted(), service.adopted()
    service.hold(closed)
    number = closed.sock.fileno()
    closed.sock.close()
    while (new := service.made()).sock.fileno() != number:
        pass
    service.leading.adopt(new)
    service.watch_twice()
    assert new.ask(b"x") == b"x"
    assert other.ask(b"y") == b"y"
