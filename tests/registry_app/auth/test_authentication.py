"""Who gets in, through the real verifier, and what is remembered."""

from __future__ import annotations

import base64
import os
import threading
import time
from contextlib import suppress

import bcrypt
import pytest

from registry_app.auth import failures as failures_module
from registry_app.auth.authentication import Authenticator
from registry_app.auth.authorization import Authorizer
from registry_app.auth.basic import Credentials
from registry_app.auth.failures import Failures, Standing
from registry_app.auth.htpasswd import hash_password, parse_htpasswd, with_user, without_user
from registry_app.auth.identity import ANONYMOUS, Action
from registry_app.auth.lane import Rank
from registry_app.auth.policy import EVERY_USER_EVERYTHING, Rule, Rules
from registry_app.auth.shared import SharedLogins
from registry_app.auth.strangers import Places
from registry_app.auth.verification import FRESH, TooManyAttemptsError, Verifier
from registry_app.errors import ErrorCode, RegistryError

CHEAP = 4
ADDRESS = "192.0.2.1"


class House:
    """A registry's users in a text that changes, with clocks moved by hand."""

    def __init__(self, shared=None):
        self.text = b""
        self.wall = 1_800_000_000.0
        self.ticks = 100.0
        self.failures = []

        def users():
            return parse_htpasswd(self.text)

        self.verifier = Verifier(users, users, clock=lambda: self.ticks, wall_clock=lambda: self.wall, shared=shared)
        self.authenticator = Authenticator(self.verifier, realm='a "quoted" realm', on_failure=self.failures.append)

    def add(self, user, password, *, previous_until=None, cost=CHEAP):
        self.text = with_user(self.text, user, hash_password(password, cost), previous_until=previous_until)

    def login(self, user, password, address=ADDRESS):
        raw = base64.b64encode(user.encode() + b":" + password).decode()
        return self.authenticator.authenticate(f"Basic {raw}", address=address)

    def refused(self, user, password, address=ADDRESS):
        with pytest.raises(RegistryError) as caught:
            self.login(user, password, address)
        return caught.value


@pytest.fixture
def house():
    """One with alice in it."""
    house = House()
    house.add("alice", b"right")
    return house


def test_the_right_password_gets_in_and_no_other(house):
    """And the refusal asks for credentials."""
    assert house.login("alice", b"right").name == "alice"
    error = house.refused("alice", b"wrong")
    assert error.code is ErrorCode.UNAUTHORIZED
    assert error.headers == {"WWW-Authenticate": r'Basic realm="a \"quoted\" realm"'}
    assert not error.detail


def test_no_claim_is_anonymous(house):
    """As is skopeo's empty one."""
    assert house.authenticator.authenticate(None, address=ADDRESS) == ANONYMOUS
    assert house.authenticator.authenticate("Basic Og==", address=ADDRESS) == ANONYMOUS


@pytest.mark.parametrize(
    "password", [b"", b"x" * 72, b"x" * 73, b"x" * 5000, b"right\0", b"right\0more", b"\xff\xfe", b"\0"]
)
@pytest.mark.parametrize("user", ["alice", "nobody"])
def test_strange_passwords_are_wrong_passwords(house, user, password):
    """401 like any other, and never an exception out of bcrypt."""
    assert house.refused(user, password).code is ErrorCode.UNAUTHORIZED


def test_a_password_is_not_cut_to_what_bcrypt_reads(house):
    """73 bytes whose first 72 are right are wrong."""
    house.add("long", b"x" * 72)
    assert house.login("long", b"x" * 72).name == "long"
    assert house.refused("long", b"x" * 73).code is ErrorCode.UNAUTHORIZED


def test_the_stored_hash_is_no_password(house):
    """CVE-2022-46146: not even after a success has been remembered."""
    house.login("alice", b"right")
    stored = parse_htpasswd(house.text).hashes["alice"][0].text
    assert house.refused("alice", stored).code is ErrorCode.UNAUTHORIZED


def test_no_other_split_of_name_and_password_is_remembered(house):
    """Fingerprints are made of parts with their lengths, so `ab:c` and `a:bc` never meet."""
    verifier = house.verifier
    house.add("a", b"bc")
    house.add("ab", b"zz")
    assert house.login("a", b"bc").name == "a"
    assert house.refused("ab", b"c").code is ErrorCode.UNAUTHORIZED
    stored = parse_htpasswd(house.text).hashes["a"][0]
    prints = {
        verifier._memory.fingerprint(Credentials(*split), stored)
        for split in (("a", b"bc"), ("ab", b"c"), ("abc", b""))
    }
    assert len(prints) == 3
    assert verifier._memory.fingerprint(Credentials("a", b"bc"), stored) != House().verifier._memory.fingerprint(
        Credentials("a", b"bc"), stored
    )


def count_checks(monkeypatch):
    """The rounds of every bcrypt check from here on."""
    done = []
    real = bcrypt.checkpw
    monkeypatch.setattr(
        bcrypt, "checkpw", lambda password, stored: (done.append(1 << int(stored[4:6])), real(password, stored))[1]
    )
    return done


def test_a_success_is_remembered_while_it_is_used_and_not_for_ever(house, monkeypatch):
    """Bcrypt runs once, then again after a pause of more than five minutes."""
    work = count_checks(monkeypatch)
    for _ in range(5):
        house.login("alice", b"right")
        house.ticks += FRESH - 1
    assert len(work) == 1
    house.ticks += FRESH
    house.login("alice", b"right")
    assert len(work) == 2


def test_a_failure_is_never_remembered(house, monkeypatch):
    """A password that becomes right counts at once."""
    work = count_checks(monkeypatch)
    house.refused("alice", b"new")
    house.refused("alice", b"new")
    assert len(work) == 2
    house.add("alice", b"new")
    assert house.login("alice", b"new").name == "alice"


def test_a_change_or_removal_counts_for_remembered_credentials_too(house):
    """The stored hash is part of what is remembered."""
    house.login("alice", b"right")
    house.add("alice", b"new")
    house.refused("alice", b"right")
    house.login("alice", b"new")
    house.text = without_user(house.text, "alice")
    house.refused("alice", b"new")


def test_both_generations_of_a_password_are_valid_until_the_time_is_up(house):
    """And the old one stops to the second, remembered or not."""
    house.add("alice", b"new", previous_until=house.wall + 60)
    assert house.login("alice", b"right").name == house.login("alice", b"new").name == "alice"
    house.wall += 60
    house.refused("alice", b"right")
    house.login("alice", b"new")


@pytest.mark.parametrize(
    ("user", "password"),
    [
        ("cheap", b"wrong"),
        ("dear", b"wrong"),
        ("twice", b"wrong"),
        ("nobody", b"wrong"),
        ("cheap", b"x" * 73),
        ("nobody", b"\0"),
    ],
)
def test_every_failure_costs_the_same_work(house, monkeypatch, user, password):
    """Unknown users, cheap hashes, a password with two generations: as much as the dearest user's check."""
    house.add("cheap", b"a", cost=4)
    house.add("dear", b"b", cost=6)
    house.add("twice", b"c", cost=5)
    house.add("twice", b"d", cost=6, previous_until=house.wall + 60)
    work = count_checks(monkeypatch)
    house.refused(user, password)
    assert sum(work) == 2**5 + 2**6


def test_failures_are_answered_429_in_the_end_and_the_right_password_still_gets_in(house, monkeypatch):
    """Nobody is locked out: not the user from the same address, not another one."""
    monkeypatch.setattr(failures_module, "LONGEST_DELAY", 0.05)
    house.add("bob", b"bobs")
    codes = [house.refused("alice", b"wrong").code for _ in range(3)]
    assert set(codes) == {ErrorCode.UNAUTHORIZED}
    for _ in range(20):
        house.verifier._failures.failed(ADDRESS, "alice", house.ticks)
    error = house.refused("alice", b"wrong")
    assert error.code is ErrorCode.TOOMANYREQUESTS
    assert int(error.headers["Retry-After"]) > 1
    assert house.login("bob", b"bobs").name == "bob"
    assert house.login("alice", b"right").name == "alice"
    assert house.refused("alice", b"wrong").code is ErrorCode.UNAUTHORIZED


def test_unknown_and_known_users_get_the_same_answers(house, monkeypatch):
    """Also when there are too many failures."""
    monkeypatch.setattr(failures_module, "LONGEST_DELAY", 0.05)
    for user in ("alice", "nobody"):
        for _ in range(20):
            house.verifier._failures.failed(ADDRESS, user, house.ticks)
    known, unknown = house.refused("alice", b"wrong"), house.refused("nobody", b"wrong")
    assert (known.code, known.message, known.headers) == (unknown.code, unknown.message, unknown.headers)


def test_failures_fade(house):
    """Half of them every minute; delays grow with them and have a limit."""
    failures = Failures()
    standings = [failures.failed(ADDRESS, "alice", 0.0) for _ in range(30)]
    delays = [standing.delay for standing in standings]
    assert delays[:2] == [0.0, 0.0]
    assert delays == sorted(delays)
    assert delays[-1] == 1.0
    assert failures.standing(ADDRESS, "alice", 600.0) == Standing()
    assert Standing(pair=10**6).delay == 1.0
    assert Standing(pair=10**6).retry_after == 30


def test_addresses_of_one_ipv6_network_share_a_record_and_the_record_is_bounded(monkeypatch):
    """An outsider has 2**64 addresses; memory has not."""
    monkeypatch.setattr(failures_module, "REMEMBERED", 500)
    failures = Failures()
    for host in range(600):
        failures.failed(f"2001:db8::{host:x}", f"user{host}", 0.0)
    assert failures.standing("2001:db8::ffff:1", "x", 0.0).address == 600
    assert len(failures._counts) <= 500
    failures.failed("no address", "x", 0.0)


def test_a_failure_names_known_users_only(house):
    """People type passwords where the name belongs."""
    house.refused("alice", b"wrong")
    house.refused("hunter2", b"")
    with pytest.raises(RegistryError):
        house.authenticator.authenticate("Basic hunter2", address=ADDRESS)
    assert [f.user for f in house.failures] == ["alice", None, None]
    assert "hunter2" not in repr(house.failures)


def test_proven_credentials_pass_a_spray(house):
    """A credential that was right before waits behind no stranger, even after a long pause."""
    house.login("alice", b"right")
    house.ticks += 10 * FRESH
    gate, started = threading.Event(), threading.Event()

    def block():
        started.set()
        return gate.wait(10)

    stranger = threading.Thread(target=house.verifier._strangers._calm.run, args=(block, Rank()))
    stranger.start()
    started.wait(10)
    assert house.login("alice", b"right").name == "alice"
    gate.set()
    stranger.join(10)


@pytest.mark.parametrize("threads", [4, 8, 32, 64, 200])
def test_guesses_take_a_part_of_the_threads_whatever_they_guess(house, monkeypatch, threads):
    """One name or many, one password or many, calm times or a spray: others find a thread."""
    gate = threading.Event()
    monkeypatch.setattr(bcrypt, "checkpw", lambda _password, _stored: gate.wait(20) and False)
    verifier = Verifier(
        lambda: parse_htpasswd(house.text), lambda: parse_htpasswd(house.text), places=Places.among(threads)
    )

    def guess(number):
        password = b"the same" if number % 2 else b"another %d" % number
        with suppress(TooManyAttemptsError):
            verifier.verify(Credentials(f"user{number % 3}", password), address=f"192.0.2.{number % 5}")

    guesses = [threading.Thread(target=guess, args=(number,)) for number in range(80)]
    for sprayed in (False, True):
        monkeypatch.setattr(verifier._failures, "is_sprayed", lambda _now, sprayed=sprayed: sprayed)
        for one in guesses[40:] if sprayed else guesses[:40]:
            one.start()
    end = time.monotonic() + 10
    most = max(3, threads * 3 // 4) + 3  # each of the three clerks has a check in hand besides
    while (held := sum(one.is_alive() for one in guesses)) > most and time.monotonic() < end:
        time.sleep(0.02)
    gate.set()
    for one in guesses:
        one.join(20)
    assert held <= most


@pytest.fixture
def two_workers():
    """Two houses with one htpasswd file and one memory of who is known."""
    shared = SharedLogins()
    first, second = House(shared), House(shared)
    first.add("alice", b"right")
    second.text = first.text
    return first, second


def test_a_client_known_to_one_worker_waits_behind_no_stranger_in_another(two_workers):
    """A flood of guesses must not meet a robot with 429 because its next connection went elsewhere."""
    first, second = two_workers
    first.login("alice", b"right")
    gate, started = threading.Event(), threading.Event()

    def block():
        started.set()
        return gate.wait(10)

    strangers = [
        threading.Thread(target=second.verifier._strangers._calm.run, args=(block, Rank()))
        for _ in range(Places.among(64).calm)
    ]
    for stranger in strangers:
        stranger.start()
    started.wait(10)
    assert second.login("alice", b"right").name == "alice"
    gate.set()
    for stranger in strangers:
        stranger.join(10)


def test_what_workers_share_lets_nobody_in(two_workers, monkeypatch):
    """Each checks for itself, and a password that ended is known to none."""
    first, second = two_workers
    first.login("alice", b"right")
    work = count_checks(monkeypatch)
    second.login("alice", b"right")
    assert len(work) == 1
    for house in two_workers:
        house.add("alice", b"new")
        assert house.refused("alice", b"right").code is ErrorCode.UNAUTHORIZED


def test_passwords_tried_by_the_dozen_get_the_time_that_nobody_wants(house, monkeypatch):
    """The thread that checks them then has the lowest priority there is; a calm minute later it has not."""
    monkeypatch.setattr(failures_module, "LONGEST_DELAY", 0.01)
    for number in range(failures_module.SPRAY):
        house.refused("alice", b"wrong", address=f"192.0.2.{number}")
    strangers = house.verifier._strangers
    assert not strangers._sprayed._threads
    house.refused("bob", b"wrong")
    (crowd, returning), (calm,) = strangers._sprayed._threads, strangers._calm._threads
    assert os.sched_getscheduler(crowd.native_id) == os.SCHED_IDLE
    assert os.sched_getscheduler(returning.native_id) == os.SCHED_OTHER
    assert os.sched_getscheduler(calm.native_id) == os.SCHED_OTHER
    own = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    assert os.getpriority(os.PRIO_PROCESS, calm.native_id) == max(10, own)
    house.ticks += failures_module.SPRAY_SECONDS
    assert not house.verifier._failures.is_sprayed(house.ticks)
    assert house.login("alice", b"right").name == "alice"


def test_too_many_attempts_say_when_to_come_back():
    """In whole seconds."""
    assert TooManyAttemptsError(3, checked=False).retry_after == 3


RULES = Rules(
    (
        Rule(frozenset({Action.PULL}), ("public/*",), anonymous=True),
        Rule(frozenset({Action.PULL, Action.CATALOG}), ("team/*",), users=frozenset({"alice"})),
    )
)


def test_the_authorizer_asks_strangers_to_log_in_and_denies_users(house):
    """401 for who may yet say who he is, 403 for who has."""
    authorizer = Authorizer(house.authenticator, lambda: RULES)

    def authorize(header, action, repository):
        identity = authorizer.identify(header, address=ADDRESS)
        authorizer.require(identity, action, repository)
        return identity

    alice = "Basic " + base64.b64encode(b"alice:right").decode()
    assert authorize(None, Action.PULL, "public/a") == ANONYMOUS
    assert authorize(alice, Action.PULL, "team/a").name == "alice"
    for header, action, repository, code in (
        (None, Action.PULL, "team/a", ErrorCode.UNAUTHORIZED),
        (None, Action.LOGIN, None, ErrorCode.UNAUTHORIZED),
        (None, Action.PUSH, "public/a", ErrorCode.UNAUTHORIZED),
        (alice, Action.PUSH, "team/a", ErrorCode.DENIED),
        (alice, Action.PULL, "other/a", ErrorCode.DENIED),
        ("Bearer x", Action.PULL, "public/a", ErrorCode.UNAUTHORIZED),
    ):
        with pytest.raises(RegistryError) as caught:
            authorize(header, action, repository)
        assert caught.value.code is code
        assert not caught.value.detail


def test_the_catalog_shows_what_may_be_listed_and_pulled(house):
    """A repository that may be pulled without catalog is not shown."""
    authorizer = Authorizer(house.authenticator, lambda: RULES)
    alice = house.login("alice", b"right")
    assert [r for r in ("public/a", "team/a", "x") if authorizer.readable(alice)(r)] == ["team/a"]


def test_without_htpasswd_everyone_is_anonymous_and_may_do_all():
    """As registry:2 without auth."""
    from registry_app.auth.policy import ANYONE_EVERYTHING

    authorizer = Authorizer(Authenticator(None), lambda: ANYONE_EVERYTHING)
    assert authorizer.identify("Basic bm8=", address=ADDRESS) == ANONYMOUS
    for action, repository in ((Action.PUSH, "a"), (Action.LOGIN, None)):
        authorizer.require(ANONYMOUS, action, repository)
    assert EVERY_USER_EVERYTHING != ANYONE_EVERYTHING
