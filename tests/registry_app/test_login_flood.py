"""First logins amid a flood of wrong ones that comes from their own address, as behind a gateway."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

import bcrypt
import pytest

from tests.flood import flooded, log_in, wait_until_turned_away
from tests.registry_app.rendered_nginx import rendered_nginx
from tests.serving import start_registry

log = logging.getLogger(__name__)
pytestmark = pytest.mark.slow

USERS = {f"user{number}": f"password of {number}" for number in range(5)}
COST = 10
"""What `stackgen users` makes: a check takes some 70 ms."""
LONGEST = 30.0
"""Seconds within which three people who come at once are in, on a machine that has other work."""


@pytest.fixture(scope="module")
def front(tmp_path_factory):
    """The rendered nginx before a registry with five users, who never logged in."""
    folder = tmp_path_factory.mktemp("flood")
    salt = bcrypt.gensalt(COST)
    lines = [f"{user}:{bcrypt.hashpw(password.encode(), salt).decode()}\n" for user, password in USERS.items()]
    (folder / "htpasswd").write_text("".join(lines))
    config = {
        "auth": {"htpasswd": {"realm": "test", "path": str(folder / "htpasswd")}},
        "stackgen": {"trusted_proxies": ["127.0.0.0/8"], "threads": 32},
        "log": {"level": "error"},
    }
    with start_registry(folder, config=config) as registry, rendered_nginx(registry, folder / "nginx") as nginx:
        yield nginx


@pytest.mark.parametrize(
    ("names", "users", "rate"),
    [
        pytest.param((), ["user0", "user1", "user2"], 100, id="random names"),
        pytest.param(("user3", "user4"), ["user3", "user4"], 1000, id="their own names, and many more"),
    ],
)
def test_a_right_password_that_was_never_seen_gets_in_soon_amid_a_flood_from_the_same_address(
    front, names, users, rate
):
    """Whoever comes back as it is told goes before all who try something else each time."""
    with flooded(front.port, rate=rate, names=names) as flood:
        wait_until_turned_away(front.port, names)
        with ThreadPoolExecutor(len(users)) as pool:
            logins = list(pool.map(lambda user: log_in(front.port, user, USERS[user]), users))
    log.info("%.0f wrong logins a second, %s; let in: %s", flood.rate, dict(flood.answers), logins)
    assert flood.answers["429"] > flood.answers["401"]
    assert max(login.seconds for login in logins) < LONGEST
