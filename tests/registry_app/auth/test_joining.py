"""One check for all who claim the same at the same time."""

from __future__ import annotations

import base64
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import bcrypt
import pytest

from registry_app.auth.authentication import Authenticator
from registry_app.auth.basic import Credentials
from registry_app.auth.htpasswd import hash_password, parse_htpasswd, with_user
from registry_app.auth.joining import JoinedChecks
from registry_app.auth.lane import LaneFullError
from registry_app.auth.strangers import Places
from registry_app.auth.verification import Verifier


def test_a_check_under_way_is_shared_and_another_claim_has_its_own():
    """Four callers, two claims, two checks."""
    checks = JoinedChecks(places=8)
    began, go_on, made = threading.Barrier(3), threading.Event(), []

    def check(claim):
        def work():
            made.append(claim)
            began.wait(5)
            go_on.wait(5)
            return claim * 2

        return work

    with ThreadPoolExecutor(4) as pool:
        first = [pool.submit(checks.run, claim, check(claim)) for claim in ("a", "b")]
        began.wait(5)
        rest = [pool.submit(checks.run, claim, check(claim)) for claim in ("a", "b")]
        wait_until(lambda: checks._waiting == 2)
        go_on.set()
        assert [future.result(5) for future in (*first, *rest)] == ["aa", "bb", "aa", "bb"]
    assert sorted(made) == ["a", "b"]
    assert checks.run("a", lambda: "anew") == "anew"


def test_what_goes_wrong_reaches_everyone_and_only_so_many_wait():
    """A place is free again afterwards."""
    checks = JoinedChecks(places=1)
    began, go_on = threading.Event(), threading.Event()

    def fail():
        began.set()
        go_on.wait(5)
        raise LookupError("broken")

    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(checks.run, "a", fail)
        began.wait(5)
        follower = pool.submit(checks.run, "a", fail)
        wait_until(lambda: checks._waiting == 1)
        with pytest.raises(LaneFullError):
            checks.run("a", fail)
        go_on.set()
        for future in (leader, follower):
            with pytest.raises(LookupError):
                future.result(5)
    assert checks.run("a", lambda: 1) == 1


def test_many_clients_of_one_user_are_all_let_in_at_once_after_a_start(monkeypatch):
    """More than there are places for strangers, and bcrypt runs once."""
    text = with_user(b"", "ci", hash_password(b"right", 4))
    users = parse_htpasswd(text)
    authenticator = Authenticator(Verifier(lambda: users, lambda: users))
    header = "Basic " + base64.b64encode(b"ci:right").decode()
    real, calls = bcrypt.checkpw, []

    def slow(password, stored):
        calls.append(stored)
        time.sleep(0.3)
        return real(password, stored)

    monkeypatch.setattr(bcrypt, "checkpw", slow)
    many = Places.among(64).joining + 1
    with ThreadPoolExecutor(many) as pool:
        found = list(pool.map(lambda _: authenticator.authenticate(header, address="192.0.2.1").name, range(many)))
    assert found == ["ci"] * many
    assert len(calls) == 1


def test_a_team_that_comes_at_once_is_let_in():
    """After a restart nobody is known: dozens of clients of one robot and a dozen people, all in the same moment."""
    people = [f"person{number}" for number in range(10)]
    text = b""
    for user in ("robot", *people):
        text = with_user(text, user, hash_password(b"right", 8))
    users = parse_htpasswd(text)
    verifier = Verifier(lambda: users, lambda: users, places=Places.among(64))
    clients = ["robot"] * 28 + people
    together = threading.Barrier(len(clients))

    def log_in(user):
        together.wait(10)
        return verifier.verify(Credentials(user, b"right"), address="192.0.2.1")

    with ThreadPoolExecutor(len(clients)) as pool:
        assert all(pool.map(log_in, clients))


def wait_until(condition):
    """Polls for what another thread is about to do."""
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)
