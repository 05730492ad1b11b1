"""Kills and power cuts under eight writers: everything acknowledged must be there afterwards."""

from __future__ import annotations

import argparse
import os
import random
import signal
import statistics
import time
from pathlib import Path

from bench.collection import build_tree
from tests.faults.client import Client
from tests.faults.disks import disk
from tests.faults.outcome import Outcome
from tests.faults.registries import start_ours, start_peer
from tests.faults.writers import Ledger, write, zero_links

TOLD_EVERY = 50
LONGEST_START = 2.0  # seconds
MOST_PUSHES = 8  # acknowledged before a crash


def starter(folder, peer=None):
    """Starts the registry under test on a root."""
    return (lambda root: start_peer(peer, folder, root)) if peer else (lambda root: start_ours(folder, root))


def kill_runs(folder, *, count, seed, peer=None):
    """Kills the whole process group `count` times while eight writers push."""
    root = folder / "root"
    root.mkdir(parents=True)
    return _cycles(
        folder,
        lambda: root,
        count=count,
        seed=seed,
        peer=peer,
        crash=lambda running: running.kill(),
        after=lambda: None,
    )


def power_cuts(folder, *, kind, count, seed, peer=None):
    """Cuts the power of a loop-mounted disk `count` times while eight writers push."""
    with disk(folder, kind) as made:

        def crash(running):
            made.cut_power()
            running.kill()

        def restore():
            made.detach()
            made.attach()

        return _cycles(folder, lambda: made.mount, count=count, seed=seed, peer=peer, crash=crash, after=restore)


def _cycles(folder, root, *, count, seed, peer, crash, after):
    pick, ledger, outcome, known = random.Random(seed), Ledger(), Outcome(), set()
    start = starter(folder, peer)
    for cycle in range(count + 1):
        empty = set(zero_links(root())) - known
        known |= empty
        outcome.violations += [f"cycle {cycle}: zero-byte link {path}" for path in sorted(empty)]
        began = time.monotonic()
        with start(root()) as running:
            outcome.counts["slowest warm start, ms"] = max(
                outcome.counts["slowest warm start, ms"], int((time.monotonic() - began) * 1000)
            )
            outcome.violations += [f"cycle {cycle}: {problem}" for problem in ledger.problems(running.port)]
            if running.process.poll() is not None:
                outcome.violations.append(f"cycle {cycle}: ended: {(folder / 'registry.log').read_text()[-2000:]}")
            if cycle == count:
                break
            before = ledger.pushes
            threads = write(running.port, ledger, seed=f"{seed}/{cycle}", seconds=30, tags=1, layers=1)
            _wait_for(ledger, before + pick.randrange(MOST_PUSHES))
            time.sleep(pick.uniform(0, 0.05))
            crash(running)
            for thread in threads:
                thread.join()
            outcome.counts["acknowledged"] += ledger.pushes - before
        outcome.counts["crashes"] += 1
        if outcome.counts["crashes"] % TOLD_EVERY == 0:
            print(outcome, flush=True)
        after()
    outcome.counts["refused"] = len(ledger.refusals)
    return outcome


def _wait_for(ledger, pushes):
    """Returns when so many pushes were acknowledged: however slow the machine is, the crash comes amid the work."""
    end = time.monotonic() + 20
    while ledger.pushes < pushes and time.monotonic() < end:
        time.sleep(0.002)


def starts(folder, *, count, seed, blobs=10_000):
    """`count` kills with many blobs in the tree: the next start looks at none of them, and answers within 2 s.

    Counted is the processor's time, as a busy machine has little of it; the time on the wall is told.
    """
    root, outcome, ledger, times = folder / "root", Outcome(), Ledger(), []
    build_tree(root, argparse.Namespace(manifests=blobs // 10, blobs=10, repositories=100, garbage=0))
    for cycle in range(count + 1):
        began = time.monotonic()
        # `env` in front: a start with every import, as after a real crash
        with start_ours(folder, root, wrapper=("env",)) as running:
            if Client(running.port).find("team/app0", "t0") is None:
                outcome.violations.append("an image of the tree is lost")
            times.append(time.monotonic() - began)
            used = sum(map(processor_seconds, [running.process.pid, *children_of(running.process.pid)]))
            if used > LONGEST_START:
                outcome.violations.append(f"a start took {used:.1f} s of processor")
            outcome.violations += ledger.problems(running.port)
            threads = write(running.port, ledger, seed=f"{seed}/{cycle}", seconds=30, tags=1)
            _wait_for(ledger, ledger.pushes + 1)
            running.kill()
            for thread in threads:
                thread.join()
        outcome.counts["longest start, ms of processor"] = max(
            outcome.counts["longest start, ms of processor"], round(used * 1000)
        )
    outcome.counts["median start, ms on the wall"] = round(statistics.median(times) * 1000)
    outcome.counts["longest start, ms on the wall"] = round(max(times) * 1000)
    return outcome


def processor_seconds(pid):
    """What a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def stop_runs(folder, *, count, seed):
    """Stops one worker process for a while (SIGSTOP) under load: the others go on, and nothing is lost."""
    root = folder / "root"
    root.mkdir(parents=True)
    pick, ledger, outcome = random.Random(seed), Ledger(), Outcome()
    with start_ours(folder, root) as running:
        for cycle in range(count):
            threads = write(running.port, ledger, seed=f"{seed}/{cycle}", seconds=1.0)
            time.sleep(pick.uniform(0.05, 0.3))
            worker = pick.choice(children_of(running.process.pid))
            os.kill(worker, signal.SIGSTOP)
            time.sleep(pick.uniform(0.05, 0.5))
            os.kill(worker, signal.SIGCONT)
            for thread in threads:
                thread.join()
            outcome.counts["stops"] += 1
            outcome.violations += [f"cycle {cycle}: {problem}" for problem in ledger.problems(running.port)]
        outcome.violations += ledger.refusals + ledger.cut
    outcome.counts["acknowledged"] = ledger.pushes
    return outcome


def children_of(pid):
    """Process ids of the workers."""
    return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
