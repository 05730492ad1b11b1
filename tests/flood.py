"""Wrong logins by the hundred, over TLS and from one address, and clients that log in for the first time beside them.

python -m tests.flood PORT RATE [NAME …]     # floods until its input ends, then prints the answers by status
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import secrets
import ssl
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections import Counter
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CONNECTIONS = 40
GIVES_UP = 180.0


@dataclass(slots=True)
class Flood:
    """What a flood that has ended was: wrong logins a second, and how they were answered."""

    rate: float = 0.0
    answers: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class FirstLogin:
    """How long a client took that did as it was told, and how often it asked."""

    seconds: float
    tries: int


@contextmanager
def flooded(port: int, *, rate: int, names: tuple[str, ...] = (), times: int = 1) -> Iterator[Flood]:
    """Wrong logins at a rate, for these names or for random ones, with each password so many times.

    In a process of its own: its threads must not hold up those who take times.
    """
    command = [sys.executable, "-m", "tests.flood", str(port), str(rate), *names, "--times", str(times)]
    told = Flood()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdout is None or not process.stdout.readline():
            raise RuntimeError("the flood did not begin")
        try:
            yield told
        finally:
            found = json.loads(process.communicate()[0])
            told.rate, told.answers = found["rate"], Counter(found["answers"])


def log_in(port: int, user: str, password: str) -> FirstLogin:
    """Asks until it is let in, each time after as long as it is told to wait. TimeoutError after GIVES_UP seconds."""
    began = time.monotonic()
    for tries in itertools.count(1):
        with closing(_connect(port)) as connection:
            status, wait = _ask(connection, user, password)
        if status == 200:
            return FirstLogin(time.monotonic() - began, tries)
        if status != 429 or time.monotonic() - began > GIVES_UP:
            raise TimeoutError(f"{user} got {status} after {tries} tries in {time.monotonic() - began:.0f} s")
        time.sleep(wait)
    raise AssertionError


def wait_until_turned_away(port: int, names: Sequence[str] = ()) -> None:
    """Returns when strangers are, so that whoever comes next finds a flood. TimeoutError where there is none.

    They ask at the flood's own `names`, if it has some: at others they would go before it.
    """
    began = time.monotonic()
    with closing(_connect(port)) as connection:
        while _ask(connection, names[0] if names else secrets.token_hex(6), "wrong")[0] != 429:
            if time.monotonic() - began > GIVES_UP:
                raise TimeoutError("every wrong login is looked at")


def _connect(port: int) -> http.client.HTTPSConnection:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=60)


def _ask(connection: http.client.HTTPSConnection, user: str, password: str) -> tuple[int, int]:
    """Status, and seconds to wait before coming back."""
    header = "Basic " + b64encode(f"{user}:{password}".encode()).decode()
    connection.request("GET", "/v2/", headers={"Authorization": header})
    answer = connection.getresponse()
    answer.read()
    return answer.status, int(answer.headers.get("Retry-After", "0"))


def _flood(port: int, rate: int, names: tuple[str, ...], times: int) -> None:
    answers: Counter[str] = Counter()
    stop, begin = threading.Event(), time.monotonic()

    def worker(number: int) -> None:
        connection = _connect(port)
        name = password = ""
        for turn in itertools.count():
            if turn % times == 0:
                name = names[turn // times % len(names)] if names else secrets.token_hex(6)
                password = secrets.token_hex(6)
            due = begin + (turn + number / CONNECTIONS) * CONNECTIONS / rate
            if stop.wait(max(0.0, due - time.monotonic())):
                return
            try:
                answers[str(_ask(connection, name, password)[0])] += 1
            except (OSError, http.client.HTTPException) as error:
                answers[type(error).__name__] += 1
                connection.close()

    workers = [threading.Thread(target=worker, args=(number,), daemon=True) for number in range(CONNECTIONS)]
    for one in workers:
        one.start()
    print("begun", flush=True)  # noqa: T201 - to the process that started this one
    sys.stdin.read()
    stop.set()
    seconds = time.monotonic() - begin
    print(json.dumps({"rate": sum(answers.values()) / seconds, "answers": dict(sorted(answers.items()))}))  # noqa: T201


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("rate", type=int, help="wrong logins a second")
    parser.add_argument("names", nargs="*", help="whose; random ones unless given")
    parser.add_argument("--times", type=int, default=1, help="how often with each password")
    given = parser.parse_args()
    _flood(given.port, given.rate, tuple(given.names), given.times)
