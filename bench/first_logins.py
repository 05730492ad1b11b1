"""How long first logins take amid floods of wrong ones from their own address, through the rendered nginx.

python -m bench.first_logins      # about two minutes; prints a table and stores it in bench/results/
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bcrypt

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.flood import flooded, log_in, wait_until_turned_away
from tests.registry_app.rendered_nginx import rendered_nginx
from tests.serving import start_registry

if TYPE_CHECKING:
    from collections.abc import Iterator

COST = 10
CLIENTS = 10


@dataclass(frozen=True, slots=True)
class Kind:
    """A flood: wrong logins a second, at the clients' own names or at random ones, each password so many times."""

    rate: int
    own_names: bool
    times: int = 1

    def __str__(self) -> str:
        names = "the clients' own names" if self.own_names else "random names"
        return f"{self.rate}/s, {names}, each password {self.times} times"


KINDS = tuple(
    Kind(rate, own_names, times) for rate, own_names, times in itertools.product((100, 1000), (False, True), (1, 5))
)


def measure(kinds: tuple[Kind, ...], clients: int) -> list[dict[str, Any]]:
    """A row for each kind, with clients that were never let in before."""
    users = {f"user{number}": f"password of {number}" for number in range(clients * len(kinds))}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        salt = bcrypt.gensalt(COST)
        lines = (f"{user}:{bcrypt.hashpw(password.encode(), salt).decode()}\n" for user, password in users.items())
        (folder / "htpasswd").write_text("".join(lines))
        config = {
            "auth": {"htpasswd": {"realm": "bench", "path": str(folder / "htpasswd")}},
            "stackgen": {"trusted_proxies": ["127.0.0.0/8"], "workers": 2, "threads": 32},
            "log": {"level": "error"},
        }
        with start_registry(folder, config=config) as registry, rendered_nginx(registry, folder / "nginx") as nginx:
            chosen = iter(users.items())
            return [_measure_one(nginx.port, kind, list(itertools.islice(chosen, clients))) for kind in kinds]


def _measure_one(port: int, kind: Kind, clients: list[tuple[str, str]]) -> dict[str, Any]:
    names = tuple(name for name, _ in clients) if kind.own_names else ()
    with flooded(port, rate=kind.rate, names=names, times=kind.times) as flood:
        wait_until_turned_away(port)
        with ThreadPoolExecutor(len(clients)) as pool:
            logins = list(pool.map(lambda one: log_in(port, *one), clients))
    seconds = sorted(login.seconds for login in logins)
    row = {
        "flood": str(kind), "clients": len(clients), "wrong_logins_per_second": round(flood.rate),
        "answers": dict(flood.answers), "median_seconds": round(statistics.median(seconds), 1),
        "longest_seconds": round(seconds[-1], 1), "most_tries": max(login.tries for login in logins),
    }  # fmt: skip
    print(f"{row['flood']:62} {row['wrong_logins_per_second']:5}/s  in after {row['median_seconds']:5} s (median), "
          f"{row['longest_seconds']:5} s (all {len(clients)}), {row['most_tries']} tries", flush=True)  # fmt: skip
    return row


def _chosen(rates: list[int] | None) -> Iterator[Kind]:
    return (kind for kind in KINDS if rates is None or kind.rate in rates)


def main() -> None:
    """Measures, prints; stores what was measured in full."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, action="append", help="These rates alone; stores nothing.")
    parser.add_argument("--clients", type=int, default=CLIENTS)
    arguments = parser.parse_args()
    rows = measure(tuple(_chosen(arguments.rate)), arguments.clients)
    if arguments.rate is None:
        found = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "cores": os.cpu_count(), "bcrypt_cost": COST}
        target = Path(__file__).parent / "results" / f"first-logins-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
        target.write_text(json.dumps(found | {"floods": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
