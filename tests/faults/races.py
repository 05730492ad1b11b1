"""Collections without any grace, one after the other, beside pushers that trust every promise."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

from registry_app.gc.collection import collect
from registry_app.gc.observers import Observer
from registry_app.gc.plan import Policy
from registry_app.storage import open_storage
from tests.faults.client import (
    FAILURES,
    Client,
    RefusedError,
    digest_of,
    make_image,
    make_index,
    make_signature,
)
from tests.faults.crashes import starter
from tests.faults.outcome import Outcome

REPOSITORIES = ("team/one", "team/two")


def race(folder, *, count, seed, pushers=8, peer=None):
    """`count` collections with no lease time at all; pushers skip by HEAD, mount, overwrite and delete tags."""
    root, outcome, done = folder / "root", Outcome(), threading.Event()
    root.mkdir(parents=True)
    pool = [random.Random(f"{seed}/pool/{n}").randbytes(3000) for n in range(12)]
    with starter(folder, peer)(root) as running:
        threads = [
            threading.Thread(
                target=_pusher,
                args=(running.port, random.Random(f"{seed}/{n}"), n, pool),
                kwargs={"done": done, "outcome": outcome, "signs": peer is None},
            )
            for n in range(pushers)
        ]
        for thread in threads:
            thread.start()
        for report in _collections_of_peer(peer, folder, count) if peer else _collections(root, count):
            outcome.counts["collections"] += 1
            for name in ("removed blobs", "removed manifests"):
                outcome.counts[name] += report[name]
            kind = "longest lock, ms" if report["ordinary"] else "longest lock ahead of other processes, ms"
            outcome.counts[kind] = max(outcome.counts[kind], round(report["longest lock"] * 1000, 1))
        done.set()
        for thread in threads:
            thread.join()
    return outcome


def _collections(root, count):
    """What each collection did; in a process of its own, as on demand, where no thread of the pushers is in the way."""
    command = [sys.executable, "-m", "tests.faults.races", str(root), str(count)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent.parent) as made:
        yield from map(json.loads, made.stdout)
    if made.returncode:
        raise RuntimeError(f"the collections ended with {made.returncode}")


def _collections_of_peer(peer, folder, count):
    """The same by another registry's own command, which tells nothing of its locks."""
    for _ in range(count):
        command = [peer, "garbage-collect", "--delete-untagged", folder / "peer.yml"]
        subprocess.run(command, check=False, capture_output=True)
        yield {"removed blobs": 0, "removed manifests": 0, "longest lock": 0, "ordinary": True}


def collect_often(root, count):
    """Collects again and again; every second time ahead of other processes, where root may ask for that.

    So the locks are measured twice: as they are held on this machine, and without its waiting for a processor.
    """
    storage, policy = open_storage(root), Policy(grace=0, trash=30, untagged=True)
    for number in range(count):
        ordinary = number % 2 == 0 or not _go_first()
        report = collect(storage, policy, Observer())
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        told = {"removed blobs": report.removed_blobs, "removed manifests": report.removed_manifests}
        print(json.dumps({**told, "longest lock": report.longest_lock, "ordinary": ordinary}), flush=True)
        time.sleep(0.005)


def _go_first():
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except OSError:
        return False
    return True


def _pusher(port, pick, number, pool, *, done, outcome, signs):
    client, alive, signed = Client(port), {}, {}
    while not done.is_set():
        name = (pick.choice(REPOSITORIES), f"p{number}-{pick.randrange(3)}")
        signed.pop(name, None)
        try:
            if alive.get(name) and pick.random() < 0.15:
                client.expect(202, "DELETE", f"/v2/{name[0]}/manifests/{name[1]}")
                alive[name] = None
            else:
                image = _push(client, name, pool, pick=pick, outcome=outcome)
                alive[name] = image.digest
                outcome.counts["acknowledged"] += 1
                if signs and pick.random() < 0.2:
                    signed[name] = image.digest, _sign(client, name[0], image, pick=pick)
                    outcome.counts["signatures"] += 1
            _look(client, alive, signed, outcome)
        except (RefusedError, *FAILURES) as error:
            outcome.violations.append(f"{name}: {error!r}")
            alive.pop(name, None)
            time.sleep(0.1)


def _sign(client, repository, image, *, pick):
    signature = make_signature(pick, image)
    client.push(repository, signature.digest, signature)
    return signature.digest


def _look(client, alive, signed, outcome):
    """Pulls all that a pusher was told is there."""
    for name, digest in list(alive.items()):
        problems = client.pull(*name, {digest})[1]
        outcome.counts["pulls"] += 1
        if name in signed:
            problems += client.signature_problems(name[0], *signed[name])
        if problems:
            outcome.counts["broken images"] += 1
            outcome.violations.append("; ".join(problems))
            del alive[name]
            signed.pop(name, None)


def _push(client, name, pool, *, pick, outcome):
    """One push of an image, or of one for two platforms; what was pushed.

    On a refusal that says "unknown" it starts over, as a client does, and is counted.
    """
    images = [make_image(pick, layers=1, shared=pick.sample(pool, 3)) for _ in range(pick.choice((1, 1, 1, 2)))]
    top = images[0] if len(images) == 1 else make_index(images)
    for _ in range(4):
        try:
            _push_once(client, name, top, images, pick=pick, outcome=outcome)
        except RefusedError as error:
            if error.status != 404:
                raise
            outcome.counts["retries"] += 1
            outcome.counts[f"retry after {error}"] += 1
        else:
            return top
    _push_once(client, name, top, images, pick=pick, outcome=outcome)
    return top


def _push_once(client, name, top, images, *, pick, outcome):
    for image in images:
        for blob in image.blobs:
            other = REPOSITORIES[name[0] == REPOSITORIES[0]]
            if pick.random() < 0.3 and client.mount(name[0], digest_of(blob), other):
                outcome.counts["mounted"] += 1
                continue
            client.push_blob(name[0], blob, skip=True)
        if image is not top:
            client.push_manifest(name[0], image.digest, image)  # a platform never has a tag
            outcome.counts["platforms"] += 1
        if pick.random() < 0.2:
            time.sleep(pick.uniform(0, 0.2))  # a client that takes its time: collections pass by
    client.push_manifest(*name, top)


if __name__ == "__main__":
    collect_often(Path(sys.argv[1]), int(sys.argv[2]))
