"""What logins cost: unknown user against wrong password, pulls beside a spray, and a remembered password.

python -m bench.logins            # about two minutes; prints a table and stores it in bench/results/
"""

from __future__ import annotations

import http.client
import itertools
import json
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from base64 import b64encode
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bcrypt

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.serving import start_registry

SAMPLES = 2000
SPRAY_RATE, SPRAY_SECONDS = 100, 20
COST = 10
PULL_RATE = 50
_addresses = itertools.count()


class Client:
    """One connection that stays open."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def time(self, credentials: str | None) -> tuple[float, int]:
        """Seconds and status of one request, each from another address, so that no record of failures delays it."""
        number = next(_addresses)
        headers = {"X-Forwarded-For": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"}
        if credentials is not None:
            headers["Authorization"] = "Basic " + b64encode(credentials.encode()).decode()
        began = time.perf_counter()
        self._connection.request("GET", "/v2/", headers=headers)
        answer = self._connection.getresponse()
        answer.read()
        return time.perf_counter() - began, answer.status


def unknown_against_wrong(port: int) -> dict[str, float]:
    """Medians of both, sampled in turn."""
    client = Client(port)
    times: dict[str, list[float]] = {"unknown": [], "wrong": []}
    for number in range(SAMPLES):
        for kind, user in (("unknown", f"nobody{number}"), ("wrong", "alice")):
            took, status = client.time(f"{user}:wrong{number}")
            expect(status, 401)
            times[kind].append(took * 1000)
    unknown, wrong = (statistics.median(times[kind]) for kind in ("unknown", "wrong"))
    return {"unknown_ms": unknown, "wrong_ms": wrong, "difference_percent": abs(unknown / wrong - 1) * 100}


def remembered(port: int, open_port: int) -> dict[str, float]:
    """Medians of a request with a remembered password and of one to a registry without users, in turn."""
    guarded, free = Client(port), Client(open_port)
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(SAMPLES):
        times[0].append(guarded.time("alice:right")[0] * 1000)
        times[1].append(free.time(None)[0] * 1000)
    with_login, without = (statistics.median(one) for one in times)
    return {"remembered_ms": with_login, "without_users_ms": without, "added_ms": with_login - without}


def pulls(port: int, seconds: float) -> list[float]:
    """Times of valid requests at a steady rate, in milliseconds, from when each was due."""
    client = Client(port)
    times: list[float] = []
    begin = time.perf_counter()
    for number in range(int(seconds * PULL_RATE)):
        due = begin + number / PULL_RATE
        time.sleep(max(0.0, due - time.perf_counter()))
        _, status = client.time("alice:right")
        expect(status, 200)
        times.append((time.perf_counter() - due) * 1000)
    return times


def spray(port: int, stop: threading.Event, counts: dict[int, int]) -> None:
    """Wrong logins at a rate, from many threads, with known and unknown names."""
    threads = 40

    def worker(number: int) -> None:
        client, begin = Client(port), time.perf_counter()
        for turn in itertools.count():
            time.sleep(max(0.0, begin + (turn + number / threads) * threads / SPRAY_RATE - time.perf_counter()))
            if stop.is_set():
                return
            name = random.choice(["alice", "bob", f"nobody{turn}"])
            _, status = client.time(f"{name}:wrong{turn}")
            counts[status] = counts.get(status, 0) + 1

    workers = [threading.Thread(target=worker, args=(number,)) for number in range(threads)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()


def beside_a_spray(port: int) -> dict[str, Any]:
    """p99 of valid pulls without and with wrong logins beside them."""
    pulls(port, 2)
    quiet = [pulls(port, SPRAY_SECONDS / 2)]
    stop = threading.Event()
    counts: dict[int, int] = {}
    sprayer = threading.Thread(target=spray, args=(port, stop, counts))
    began = time.monotonic()
    sprayer.start()
    during = pulls(port, SPRAY_SECONDS)
    stop.set()
    sprayer.join()
    took = time.monotonic() - began
    quiet.append(pulls(port, SPRAY_SECONDS / 2))
    alone, beside = p99([t for part in quiet for t in part]), p99(during)
    rate = sum(counts.values()) / took
    return {
        "p99_alone_ms": alone, "p99_beside_ms": beside, "ratio": beside / alone,
        "p50_beside_ms": statistics.median(during),
        "wrong_logins_per_second": rate, "answers": {str(status): count for status, count in sorted(counts.items())},
    }  # fmt: skip


def expect(status: int, due: int) -> None:
    """Stops a measurement of something else."""
    if status != due:
        raise SystemExit(f"answered {status} where {due} was due")


def p99(times: list[float]) -> float:
    """The 99th percentile."""
    return statistics.quantiles(times, n=100)[98]


def main() -> None:
    """Measures, prints, stores."""
    lines = {user: bcrypt.hashpw(b"right", bcrypt.gensalt(COST)).decode() for user in ("alice", "bob")}
    proxies = {"stackgen": {"trusted_proxies": ["127.0.0.0/8"], "workers": 2, "threads": 32}, "log": {"level": "error"}}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        path = Path(folder)
        open_registry = running.enter_context(start_registry(path / "open", config=proxies))
        htpasswd = path / "htpasswd"
        htpasswd.write_text("".join(f"{user}:{stored}\n" for user, stored in lines.items()))
        auth = {"auth": {"htpasswd": {"realm": "bench", "path": str(htpasswd)}}}
        guarded = running.enter_context(start_registry(path / "guarded", config=proxies | auth))
        results = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "cores": os.cpu_count(),
            "bcrypt_cost": COST,
            "samples": SAMPLES,
            "remembered": remembered(guarded.port, open_registry.port),
            "unknown_against_wrong": unknown_against_wrong(guarded.port),
            "spray": beside_a_spray(guarded.port),
        }
    print(json.dumps(results, indent=2))
    target = Path(__file__).parent / "results" / f"logins-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
