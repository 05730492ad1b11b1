"""Full disks, read-only disks, too little memory, clocks that jump."""

from __future__ import annotations

import json
import os
import random
import time
from contextlib import suppress

from registry_app.gc.collection import collect
from registry_app.gc.observers import Observer
from registry_app.gc.plan import Policy
from registry_app.gc.runs import last_run, record_run
from registry_app.gc.scrub import scrub
from registry_app.oci.digests import Digest
from registry_app.storage import open_storage
from tests.faults.client import FAILURES, Client, RefusedError, make_image
from tests.faults.crashes import children_of, starter
from tests.faults.disks import disk
from tests.faults.memory import has_memory, memory_group
from tests.faults.outcome import Outcome
from tests.faults.registries import start_ours
from tests.faults.writers import Ledger, write, zero_links

REFUSALS = (507, 503)
# Loaded by every Python process of the service: its wall clock goes wrong by the seconds in a file. (The library that
# fakes clocks for any program breaks sleeping in Python 3.11.)
CLOCK = """import os, time
_true = time.time
time.time = lambda: _true() + float(open(os.environ["SKEW"]).read() or 0)
"""


def full_disk(folder, *, count, seed, peer=None):
    """`count` pushes with ever different room left on the disk, from none to more than enough."""
    outcome, pick, ledger = Outcome(), random.Random(seed), Ledger()
    with disk(folder, "ext4", 24) as made, starter(folder, peer)(made.mount) as running:
        client = Client(running.port)
        for number in range(count):
            image, name = make_image(pick, layers=3, size=60_000), ("team/app", f"t{number % 5}")
            _fill(made.mount, leave=number * 200_000 // max(count - 1, 1))
            try:
                ledger.begin(name, image.digest)
                client.push(*name, image)
                ledger.end(name, image.digest)
                outcome.counts["taken"] += 1
            except RefusedError as error:
                outcome.counts["refused"] += 1
                outcome.violations += _answer_problems(error, made.mount)
            outcome.violations += [f"with {number}: {problem}" for problem in ledger.problems(running.port)]
            outcome.violations += [f"zero-byte link {path}" for path in zero_links(made.mount)]
            (made.mount / "filler").unlink()
        if not peer:  # others must stand still for that
            outcome.violations += _room_comes_back(made, running, client, ledger)
    return outcome


def _fill(folder, *, leave):
    """Fills the disk up to `leave` bytes."""
    with (folder / "filler").open("wb", buffering=0) as filler:
        with suppress(OSError):
            while True:
                free = os.statvfs(folder)
                room = free.f_bavail * free.f_frsize - leave
                if room <= 0:
                    break
                os.posix_fallocate(filler.fileno(), filler.seek(0, 2), min(room, 1 << 20))
        os.fsync(filler.fileno())


def _answer_problems(error, root):
    if error.status not in REFUSALS:
        yield f"a full disk answers {error.status} {error.body[:200]!r}"
    elif str(root).encode() in error.body or b"errors" not in error.body:
        yield f"a full disk answers {error.body[:200]!r}"


def _room_comes_back(made, running, client, ledger):
    """On a full disk DELETE, a scrub and a collection do their work, and free room, unaided."""
    doomed = make_image(random.Random(1), layers=1, size=5000)
    client.push("team/doomed", "1", doomed)
    storage = open_storage(made.mount, reserve_bytes=1 << 30)
    record_run(storage, "scrub", {"result": "ok"})
    _fill(made.mount, leave=0)
    with storage.layout.blob(Digest.of(doomed.blobs[1])).open("r+b") as damaged:
        damaged.write(b"!")
    if scrub(storage).affected != ["team/doomed:1"]:
        yield "a scrub on a full disk names no damage"
    if (last_run(storage, "scrub") or {}).get("damaged") != 1:
        yield "a scrub on a full disk is not recorded, and so due again at once"
    status, _, body = client.ask("DELETE", "/v2/team/doomed/_stackgen/repository")
    if status != 202:
        yield f"DELETE of a repository on a full disk answers {status} {body[:200]!r}"
    name = next(name for name, digest in ledger.acknowledged.items() if digest)
    status, _, body = client.ask("DELETE", f"/v2/{name[0]}/manifests/{ledger.acknowledged.pop(name)}")
    ledger.maybe.pop(name, None)
    if status != 202:
        yield f"DELETE on a full disk answers {status} {body[:200]!r}"
    before = os.statvfs(made.mount).f_bavail
    report = collect(storage, Policy(grace=0), Observer())
    if not report.removed_blobs or os.statvfs(made.mount).f_bavail <= before:
        yield f"a collection on a full disk frees nothing: {report}"
    yield from ledger.problems(running.port)


def read_only_disk(folder, *, count, seed):
    """`count` times the disk becomes read-only under the service: pulls go on, pushes are refused in words."""
    outcome, pick, ledger = Outcome(), random.Random(seed), Ledger()
    with disk(folder, "ext4", 64) as made, start_ours(folder, made.mount) as running:
        client = Client(running.port)
        for number in range(count):
            image, name = make_image(pick), ("team/app", f"t{number}")
            ledger.begin(name, image.digest)
            client.push(*name, image)
            ledger.end(name, image.digest)
            made.remount("ro")
            try:
                client.push("team/app", "other", make_image(pick))
                outcome.violations.append("a push to a read-only disk was acknowledged")
            except RefusedError as error:
                outcome.counts["refused"] += 1
                outcome.violations += _answer_problems(error, made.mount)
            outcome.violations += ledger.problems(running.port)
            ready = Client(running.debug_port).ask("GET", "/debug/ready")
            outcome.violations += [] if ready[0] == 503 else [f"readiness answers {ready[0]} on a read-only disk"]
            made.remount("rw")
            outcome.counts["remounts"] += 1
    return outcome


def out_of_memory(folder, *, count, seed):
    """`count` times the kernel kills the service, or some of its processes, for want of memory under load."""
    root, outcome, ledger, pick = folder / "root", Outcome(), Ledger(), random.Random(seed)
    root.mkdir(parents=True)
    for cycle in range(count):
        with (
            memory_group(f"registry-faults-{os.getpid()}-{cycle}") as group,
            start_ours(folder, root, wrapper=group.wrapper) as running,
        ):
            outcome.violations += ledger.problems(running.port)
            threads = write(running.port, ledger, seed=f"{seed}/{cycle}", seconds=1.5)
            time.sleep(pick.uniform(0.1, 1))
            processes = [running.process.pid, *children_of(running.process.pid)]
            victims = pick.sample(processes, pick.randrange(1, len(processes) + 1))
            group.starve(victims, megabytes=pick.randrange(60, 160))
            killed = sum(not has_memory(pid) for pid in victims)
            for thread in threads:
                thread.join()
        outcome.counts["killed processes"] += killed
        outcome.counts["with a kill" if killed else "without a kill"] += 1
    with start_ours(folder, root) as running:
        outcome.violations += ledger.problems(running.port)
    outcome.counts["acknowledged"] = ledger.pushes
    if outcome.counts["without a kill"]:
        outcome.violations.append("the kernel killed nothing of the service in some of the shortages")
    return outcome


def clock_jumps(folder, *, count, seed):
    """`count` jumps of the service's clock by a day either way, with collections by that clock."""
    root, outcome, ledger, pick = folder / "root", Outcome(), Ledger(), random.Random(seed)
    root.mkdir(parents=True)
    skew = folder / "skew"
    skew.write_text("0")
    (folder / "sitecustomize.py").write_text(CLOCK)
    with start_ours(folder, root, wrapper=("env", f"PYTHONPATH={folder}", f"SKEW={skew}")) as running:
        for cycle in range(count):
            threads = write(running.port, ledger, seed=f"{seed}/{cycle}", seconds=0.6)
            for _ in range(3):
                days = pick.choice([-1, 0, 1])
                skew.write_text(str(days * 86400))
                clock = lambda d=days: time.time() + d * 86400  # noqa: E731
                collect(open_storage(root, clock=clock), Policy(grace=60, trash=3600, untagged=True), Observer())
                outcome.counts["jumps"] += 1
                time.sleep(0.15)
            for thread in threads:
                thread.join()
            outcome.violations += [f"cycle {cycle}: {problem}" for problem in ledger.problems(running.port)]
    outcome.counts["acknowledged"] = ledger.pushes
    outcome.counts["refused"] = len(ledger.refusals)
    return outcome


def rolling_restarts(folder, *, count, seed, megabytes=32):
    """`count` restarts of all workers under load, with a large upload under way in pieces."""
    root, outcome, ledger = folder / "root", Outcome(), Ledger()
    root.mkdir(parents=True)
    pick = random.Random(seed)
    with start_ours(folder, root) as running:
        for cycle in range(count):
            threads = write(running.port, ledger, seed=f"{seed}/{cycle}", seconds=1.2, writers=4)
            content = pick.randbytes(megabytes << 20)
            os.kill(running.process.pid, 1)
            outcome.counts["restarts"] += 1
            outcome.violations += _upload_in_pieces(running.port, content, outcome)
            for thread in threads:
                thread.join()
        outcome.violations += ledger.problems(running.port)
        outcome.violations += ledger.refusals + ledger.cut
    outcome.counts["acknowledged"] = ledger.pushes
    return outcome


def _upload_in_pieces(port, content, outcome):
    """Pushes a blob in pieces of 4 MiB; what is cut goes on where the registry says it is."""
    piece, client = 4 << 20, Client(port)
    headers, _ = client.expect(202, "POST", "/v2/large/blobs/uploads/")
    location, offset = headers["Location"], 0
    while offset < len(content):
        body = content[offset : offset + piece]
        try:
            headers, _ = client.expect(
                202,
                "PATCH",
                location,
                body,
                {"Content-Range": f"{offset}-{offset + len(body) - 1}", "Content-Type": "application/octet-stream"},
            )
        except FAILURES:
            outcome.counts["cut"] += 1
            time.sleep(0.1)
            headers, _ = client.expect(204, "GET", location)
        location, offset = headers["Location"], int(headers["Range"].split("-")[1]) + 1
    import hashlib

    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    status, _, body = client.ask("PUT", f"{location}{'&' if '?' in location else '?'}digest={digest}")
    if status != 201:
        return [f"a large upload ends with {status} {json.dumps(body.decode()[:200])}"]
    return client.blob_problems("large", digest)
