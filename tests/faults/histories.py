"""Concurrent histories of tags, over restarts of workers, checked for linearizability: each tag is a register."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from dataclasses import dataclass

from tests.faults.client import FAILURES, Client, Image, make_image
from tests.faults.crashes import children_of
from tests.faults.outcome import Outcome
from tests.faults.registries import start_ours

NEVER = float("inf")


@dataclass(frozen=True)
class Operation:
    """A call on a tag: `put` and `get` with a digest (None: unknown), `delete` with whether there was one.

    An operation that nobody answered has no end, and may or may not have happened.
    """

    start: float
    end: float
    kind: str
    value: object


def apply_to(state, operation):
    """(whether the outcome fits the state, the state afterwards)."""
    if operation.kind == "put":
        return True, operation.value
    if operation.kind == "get":
        return state == operation.value, state
    if operation.value is None:  # a delete that nobody answered
        return True, None
    return (state is not None) == operation.value, None


def is_linearizable(history):
    """Whether some order of the operations, within their times, explains every outcome (Wing and Gong, with a memory)."""
    operations = sorted(history, key=lambda one: one.start)
    everything = sum(1 << n for n, one in enumerate(operations) if one.end != NEVER)
    seen, stack = set(), [(0, None)]
    while stack:
        done, state = stack.pop()
        if done & everything == everything:
            return True
        if (done, state) in seen:
            continue
        seen.add((done, state))
        limit = min(one.end for n, one in enumerate(operations) if not done >> n & 1)
        for n, one in enumerate(operations):
            if one.start > limit:
                break
            if not done >> n & 1:
                fits, after = apply_to(state, one)
                if fits:
                    stack.append((done | 1 << n, after))
    return False


def histories(folder, *, count, seed, operations=400, clients=5, tags=4):
    """`count` histories of `operations` each over a few tags, while workers are restarted and killed."""
    root, outcome = folder / "root", Outcome()
    root.mkdir(parents=True)
    pick = random.Random(seed)
    with start_ours(folder, root) as running:
        config = make_image(pick, layers=0)
        Client(running.port).push("tags", "base", config)
        for number in range(count):
            recorded = _record(running, pick, config, number=number, operations=operations, clients=clients, tags=tags)
            outcome.counts["histories"] += 1
            for name, history in recorded.items():
                outcome.counts["operations"] += len(history)
                outcome.counts["unanswered"] += sum(one.end == NEVER for one in history)
                if not is_linearizable(history):
                    outcome.violations.append(f"history {number}, tag {name} is not linearizable")
    return outcome


def _record(running, pick, config, *, number, operations, clients, tags):
    recorded = {f"h{number}-{n}": [] for n in range(tags)}
    threads = [
        threading.Thread(
            target=_client, args=(running.port, random.Random(pick.random()), config, recorded, operations // clients)
        )
        for _ in range(clients)
    ]
    for thread in threads:
        thread.start()
    for _ in range(3):
        time.sleep(pick.uniform(0.05, 0.3))
        if pick.random() < 0.5:
            os.kill(running.process.pid, signal.SIGHUP)  # gunicorn replaces its workers
        elif children_of(running.process.pid):
            os.kill(pick.choice(children_of(running.process.pid)), signal.SIGKILL)
    for thread in threads:
        thread.join()
    return recorded


def _client(port, pick, config, recorded, operations):
    client = Client(port)
    for _ in range(operations):
        tag = pick.choice(sorted(recorded))
        kind = pick.choice(["put", "get", "get", "delete"])
        start = time.monotonic()
        value, end = None, NEVER
        try:
            if kind == "put":
                image = Image((), config.manifest[:-1] + b',"annotations":{"n":"%016x"}}' % pick.getrandbits(64))
                value = image.digest
                client.push_manifest("tags", tag, image)
            elif kind == "get":
                found = client.find("tags", tag)
                value = found and found[0]
            else:
                value = _delete(client, tag)
            end = time.monotonic()
        except FAILURES:
            time.sleep(0.01)
            if kind == "get":
                continue
        recorded[tag].append(Operation(start, end, kind, value))


def _delete(client, tag):
    status, _, _ = client.ask("DELETE", f"/v2/tags/manifests/{tag}")
    if status not in (202, 404):
        raise OSError(status)
    return status == 202
