"""Writers that push until the registry goes away, and remember what it acknowledged."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from tests.faults.client import FAILURES, Client, RefusedError, make_image

REPOSITORIES = "docker/registry/v2/repositories"


@dataclass
class Ledger:
    """For each (repository, tag): the digest acknowledged last, and those of pushes that nobody answered since."""

    acknowledged: dict = field(default_factory=dict)
    maybe: dict = field(default_factory=dict)
    pushes: int = 0
    refusals: list = field(default_factory=list)
    cut: list = field(default_factory=list)

    def begin(self, name, digest):
        self.maybe.setdefault(name, set()).add(digest)

    def end(self, name, digest):
        self.acknowledged[name] = digest
        self.maybe[name] = set()
        self.pushes += 1

    def allowed(self, name):
        """Digests that a look at a tag may find; None stands for unknown."""
        return {self.acknowledged.get(name), *self.maybe.get(name, ())}

    def problems(self, port):
        """Violations among all that was acknowledged, by a look at every tag and every blob under it."""
        names = sorted({*self.acknowledged, *self.maybe})
        # Side by side: on a busy machine each answer takes its time.
        with ThreadPoolExecutor(8) as pool:
            return [problem for found in pool.map(partial(self._look, port), names) for problem in found]

    def _look(self, port, name):
        try:
            digest, problems = Client(port).pull(*name, self.allowed(name))
        except FAILURES as failure:
            return [f"{name}: {failure!r}"]
        if digest in self.allowed(name):
            self.acknowledged[name], self.maybe[name] = digest, set()
        return problems


def write(port, ledger, *, seed, seconds, writers=8, tags=4, repositories=2, layers=2):
    """Starts writers, each with tags of its own; they end after `seconds`, or when the registry is gone."""
    end = time.monotonic() + seconds
    threads = [
        threading.Thread(
            target=_writer,
            args=(port, ledger, random.Random(f"{seed}/{n}"), n),
            kwargs={"end": end, "tags": tags, "repositories": repositories, "layers": layers},
        )
        for n in range(writers)
    ]
    for thread in threads:
        thread.start()
    return threads


def _writer(port, ledger, pick, number, *, end, tags, repositories, layers):
    client = Client(port)
    while time.monotonic() < end:
        name = (f"team/app{pick.randrange(repositories)}", f"w{number}-{pick.randrange(tags)}")
        image = make_image(pick, layers=layers)
        try:
            for blob in image.blobs:
                client.push_blob(name[0], blob)
            ledger.begin(name, image.digest)
            client.push_manifest(*name, image)
        except FAILURES as failure:
            if not _answers(port):
                return
            ledger.cut.append(f"{name}: {failure!r}")
            continue
        except RefusedError as error:
            ledger.refusals.append(str(error))
            if error.status >= 500:
                time.sleep(0.01)
            continue
        ledger.end(name, image.digest)


def _answers(port):
    try:
        return Client(port, timeout=5).ask("GET", "/v2/")[0] == 200
    except FAILURES:
        return False


def zero_links(root):
    """Links without content in a tree."""
    return [str(path) for path in (root / REPOSITORIES).rglob("link") if path.stat().st_size == 0]
