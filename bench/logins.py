"""What logins cost: unknown user against wrong password, pulls beside a spray, and a remembered password.

python -m bench.logins            # about two minutes; prints a table and stores it in bench/results/
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import itertools
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from base64 import b64encode
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bcrypt

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.serving import start_registry

SAMPLES = 2000
SPRAY_RATE, SPRAYERS = 100, 40
TURNS, TURN_SECONDS = 4, 10
COST = 10
PULL_RATE = 50
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_addresses = itertools.count()


class Client:
    """One connection that stays open."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(self, method: str, path: str, credentials: str | None, body: bytes | None = None) -> int:
        """Status of one request, each from another address, so that no record of failures delays it."""
        number = next(_addresses)
        headers = {"X-Forwarded-For": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"}
        if credentials is not None:
            headers["Authorization"] = "Basic " + b64encode(credentials.encode()).decode()
        if body is not None:
            headers["Content-Type"] = MANIFEST
        self._connection.request(method, path, body=body, headers=headers)
        answer = self._connection.getresponse()
        answer.read()
        return answer.status

    def time(self, credentials: str | None) -> tuple[float, int]:
        """Seconds and status of one request for nothing."""
        began = time.perf_counter()
        status = self.ask("GET", "/v2/", credentials)
        return time.perf_counter() - began, status


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


def push_image(port: int) -> tuple[str, str]:
    """Pushes a small image; gives the paths of its manifest and its blob."""
    client, blob = Client(port), os.urandom(4096)
    digest = "sha256:" + hashlib.sha256(blob).hexdigest()
    expect(client.ask("POST", f"/v2/a/blobs/uploads/?digest={digest}", "alice:right", blob), 201)
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": len(blob)}
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": []}
    expect(client.ask("PUT", "/v2/a/manifests/v1", "alice:right", json.dumps(manifest).encode()), 201)
    return "/v2/a/manifests/v1", f"/v2/a/blobs/{digest}"


def pulls(port: int, paths: tuple[str, ...], seconds: float) -> list[float]:
    """Times of valid requests at a steady rate, in milliseconds, from when each was due."""
    client = Client(port)
    times: list[float] = []
    begin = time.perf_counter()
    for number in range(int(seconds * PULL_RATE)):
        due = begin + number / PULL_RATE
        time.sleep(max(0.0, due - time.perf_counter()))
        expect(client.ask("GET", paths[number % len(paths)], "alice:right"), 200)
        times.append((time.perf_counter() - due) * 1000)
    return times


def spray(port: int) -> None:
    """Wrong logins at a rate, each with another password, until standard input ends; then prints the answers."""
    counts: Counter[int] = Counter()
    stop = threading.Event()

    def worker(number: int) -> None:
        client, begin = Client(port), time.perf_counter()
        for turn in itertools.count():
            time.sleep(max(0.0, begin + (turn + number / SPRAYERS) * SPRAYERS / SPRAY_RATE - time.perf_counter()))
            if stop.is_set():
                return
            name = random.choice(["alice", "bob", f"nobody{number}-{turn}"])
            counts[client.ask("GET", "/v2/", f"{name}:wrong{number}-{turn}")] += 1

    workers = [threading.Thread(target=worker, args=(number,)) for number in range(SPRAYERS)]
    began = time.monotonic()
    for one in workers:
        one.start()
    print("begun", flush=True)
    sys.stdin.read()
    stop.set()
    for one in workers:
        one.join()
    print(json.dumps({"seconds": time.monotonic() - began, "answers": counts}))


def beside_a_spray(port: int) -> dict[str, Any]:
    """p99 of valid pulls without and with wrong logins beside them, in turns."""
    paths = push_image(port)
    pulls(port, paths, 2)
    alone: list[float] = []
    beside: list[float] = []
    answers: Counter[str] = Counter()
    sprayed = 0.0
    for _ in range(TURNS):
        alone += pulls(port, paths, TURN_SECONDS)
        # In a process of its own: its threads must not hold up the one that takes the times.
        command = [sys.executable, "-m", "bench.logins", "--spray", str(port)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as sprayer:
            if sprayer.stdout is None or not sprayer.stdout.readline():
                raise SystemExit("the spray did not begin")
            pulls(port, paths, 2)
            beside += pulls(port, paths, TURN_SECONDS)
            told = json.loads(sprayer.communicate()[0])
        answers.update(told["answers"])
        sprayed += told["seconds"]
    return {
        "pulls_each": len(alone),
        "p50_alone_ms": statistics.median(alone), "p50_beside_ms": statistics.median(beside),
        "p99_alone_ms": p99(alone), "p99_beside_ms": p99(beside), "ratio": p99(beside) / p99(alone),
        "wrong_logins_per_second": sum(answers.values()) / sprayed, "answers": dict(sorted(answers.items())),
    }  # fmt: skip


def expect(status: int, due: int) -> None:
    """Stops a measurement of something else."""
    if status != due:
        raise SystemExit(f"answered {status} where {due} was due")


def p99(times: list[float]) -> float:
    """The 99th percentile."""
    return statistics.quantiles(times, n=100)[98]


def main() -> None:
    """Measures, prints, stores; or sprays, for the one who measures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spray", type=int, metavar="PORT", help=argparse.SUPPRESS)
    parser.add_argument("--only", choices=["spray"], help="Pulls beside a spray alone; stores nothing.")
    arguments = parser.parse_args()
    if arguments.spray:
        spray(arguments.spray)
        return
    measure(store=arguments.only is None)


def measure(*, store: bool) -> None:
    """Everything, or with `store` off the spray alone."""
    lines = {user: bcrypt.hashpw(b"right", bcrypt.gensalt(COST)).decode() for user in ("alice", "bob")}
    proxies = {"stackgen": {"trusted_proxies": ["127.0.0.0/8"], "workers": 2, "threads": 32}, "log": {"level": "error"}}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        path = Path(folder)
        open_registry = running.enter_context(start_registry(path / "open", config=proxies))
        htpasswd = path / "htpasswd"
        htpasswd.write_text("".join(f"{user}:{stored}\n" for user, stored in lines.items()))
        auth = {"auth": {"htpasswd": {"realm": "bench", "path": str(htpasswd)}}}
        guarded = running.enter_context(start_registry(path / "guarded", config=proxies | auth))
        results: dict[str, Any] = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "cores": os.cpu_count(),
            "bcrypt_cost": COST,
            "samples": SAMPLES,
        }
        if store:
            results["remembered"] = remembered(guarded.port, open_registry.port)
            results["unknown_against_wrong"] = unknown_against_wrong(guarded.port)
        results["spray"] = beside_a_spray(guarded.port)
    print(json.dumps(results, indent=2))
    if store:
        target = Path(__file__).parent / "results" / f"logins-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
        target.parent.mkdir(exist_ok=True)
        target.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
