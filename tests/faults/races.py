"""Collections without any grace, one after the other, beside pushers that trust every promise."""

from __future__ import annotations

import random
import threading
import time

from registry_app.gc.collection import collect
from registry_app.gc.observers import Silent
from registry_app.gc.plan import Policy
from registry_app.storage import open_storage
from tests.faults.client import FAILURES, Client, RefusedError, digest_of, make_image
from tests.faults.outcome import Outcome
from tests.faults.registries import start_ours

REPOSITORIES = ("team/one", "team/two")


def race(folder, *, count, seed, pushers=8):
    """`count` collections with no lease time at all; pushers skip by HEAD, mount, overwrite and delete tags."""
    root, outcome, done = folder / "root", Outcome(), threading.Event()
    root.mkdir(parents=True)
    pool = [random.Random(f"{seed}/pool/{n}").randbytes(3000) for n in range(12)]
    with start_ours(folder, root) as running:
        threads = [
            threading.Thread(
                target=_pusher,
                args=(running.port, random.Random(f"{seed}/{n}"), n, pool),
                kwargs={"done": done, "outcome": outcome},
            )
            for n in range(pushers)
        ]
        for thread in threads:
            thread.start()
        storage = open_storage(root)
        policy = Policy(grace=0, trash=30, untagged=True)
        for _ in range(count):
            report = collect(storage, policy, Silent())
            outcome.counts["collections"] += 1
            outcome.counts["removed blobs"] += report.removed_blobs
            outcome.counts["removed manifests"] += report.removed_manifests
            outcome.counts["longest lock, ms"] = max(
                outcome.counts["longest lock, ms"], int(report.longest_lock * 1000)
            )
            time.sleep(0.005)
        done.set()
        for thread in threads:
            thread.join()
    return outcome


def _pusher(port, pick, number, pool, *, done, outcome):
    client, alive = Client(port), {}
    while not done.is_set():
        repository = pick.choice(REPOSITORIES)
        name = (repository, f"p{number}-{pick.randrange(3)}")
        try:
            if alive.get(name) and pick.random() < 0.15:
                client.expect(202, "DELETE", f"/v2/{repository}/manifests/{name[1]}")
                alive[name] = None
            else:
                image = make_image(pick, layers=1, shared=pick.sample(pool, 3))
                _push(client, name, image, pick=pick, outcome=outcome)
                alive[name] = image.digest
                outcome.counts["acknowledged"] += 1
            for tag, digest in alive.items():
                outcome.violations += client.pull(*tag, {digest})[1]
                outcome.counts["pulls"] += 1
        except (RefusedError, *FAILURES) as error:
            outcome.violations.append(f"{name}: {error!r}")
            return


def _push(client, name, image, *, pick, outcome):
    """One push; on a refusal that says "unknown" it starts over, as a client does, and is counted."""
    for attempt in range(5):
        try:
            for blob in image.blobs:
                other = REPOSITORIES[name[0] == REPOSITORIES[0]]
                if pick.random() < 0.3 and client.mount(name[0], digest_of(blob), other):
                    outcome.counts["mounted"] += 1
                    continue
                client.push_blob(name[0], blob, skip=True)
            if pick.random() < 0.2:
                time.sleep(pick.uniform(0, 0.2))  # a client that takes its time: collections pass by
            client.push_manifest(*name, image)
        except RefusedError as error:
            if error.status != 404 or attempt == 4:
                raise
            outcome.counts["retries"] += 1
            outcome.counts[f"retry after {error}"] += 1
        else:
            return
