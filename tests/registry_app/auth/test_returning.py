"""Who was turned away and comes back, counted in a memory that strangers can't fill."""

from __future__ import annotations

import hashlib
import os

import pytest

from registry_app.auth import returning
from registry_app.auth.returning import FORGOTTEN, TurnedAway, Waited

NOW = 5_000_000.0  # seconds; as milliseconds more than a place holds


def claim(name):
    """What stands for a name and a password."""
    return hashlib.sha256(str(name).encode()).digest()


@pytest.fixture
def turned_away():
    """A memory of nobody."""
    return TurnedAway()


def test_a_claim_is_known_again_with_how_often_and_how_long_ago(turned_away):
    """And no other one is."""
    for second in range(3):
        turned_away.add(claim("a"), NOW + second)
    assert turned_away.find(claim("a"), NOW + 5) == Waited(3, pytest.approx(3.0, abs=0.002))
    assert turned_away.find(claim("b"), NOW + 5) == Waited()


def test_a_claim_that_was_looked_at_begins_anew(turned_away):
    """A guesser has to come back for each guess."""
    turned_away.add(claim("a"), NOW)
    turned_away.forget(claim("b"))
    assert turned_away.find(claim("a"), NOW).times == 1
    turned_away.forget(claim("a"))
    assert turned_away.find(claim("a"), NOW) == Waited()


def test_who_stays_away_is_forgotten(turned_away):
    """After five minutes, also where the clock of milliseconds began anew meanwhile."""
    before_overflow = (1 << 32) / 1000 - 1
    for start in (NOW, before_overflow):
        turned_away.add(claim("a"), start)
        assert turned_away.find(claim("a"), start + FORGOTTEN - 1).times == 1
        assert turned_away.find(claim("a"), start + FORGOTTEN + 1) == Waited()
        turned_away.forget(claim("a"))


def test_a_flood_of_claims_that_come_once_washes_nobody_out(monkeypatch):
    """Each of them takes one off whom it meets in a place; who comes back adds more than that."""
    monkeypatch.setattr(returning, "PLACES", 1 << 10)
    turned_away = TurnedAway()
    levels = []
    for second in range(20):
        turned_away.add(claim("a client"), NOW + second)
        levels.append(turned_away.find(claim("a client"), NOW + second).times)
        for number in range(300):
            turned_away.add(claim((second, number)), NOW + second)
    assert levels[-1] >= 5
    assert max(levels) > levels[3]


def test_the_memory_is_that_of_all_workers():
    """They are children of one process, and a client's next connection goes to another one."""
    turned_away = TurnedAway()
    if not (child := os.fork()):
        turned_away.add(claim("a"), NOW)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert turned_away.find(claim("a"), NOW).times == 1
