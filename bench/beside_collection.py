"""What a scheduled collection does to the pulls of the worker that runs it.

python -m bench.beside_collection --manifests 10000 --turns 2     # about two minutes
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from registry_app.storage.layout import Layout

sys.path.insert(0, str(Path(__file__).parent.parent))
from bench.collection import add_tree_options, build_tree, tags_of
from tests.serving import RunningRegistry, start_registry

RATE = 100
"""Pulls of manifests a second, one after the other on one connection."""
ALONE = 15.0
"""Seconds of pulls before the collection is due."""
PATIENCE = 300.0
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@dataclass(slots=True)
class Pulls:
    """Pulls at a steady rate: when each was due (since 1970), and how long after that its answer came (ms)."""

    port: int
    paths: list[str]
    times: list[tuple[float, float]] = field(default_factory=list)

    def go_on(self, seconds: float) -> None:
        """Pulls for so long."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        begin = time.time()
        for number in range(int(seconds * RATE)):
            due = begin + number / RATE
            time.sleep(max(0.0, due - time.time()))
            connection.request("GET", random.choice(self.paths), headers={"Accept": MANIFEST})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise SystemExit(f"answered {answer.status} where 200 was due")
            self.times.append((due, (time.time() - due) * 1000))
        connection.close()

    def between(self, begin: float, end: float) -> list[float]:
        """Those that were due in this time."""
        return [took for due, took in self.times if begin <= due < end]


def main() -> None:
    """Builds the tree, then measures in turns, each on a copy of it and with a service of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_tree_options(parser)
    parser.add_argument("--turns", type=int, default=2)
    arguments = parser.parse_args()
    samples: dict[str, list[float]] = {"alone": [], "with garbage": [], "clean": []}
    with tempfile.TemporaryDirectory(dir=arguments.folder, prefix="beside-") as name:
        folder = Path(name).resolve()
        tree = arguments.tree or folder / "tree"
        build_tree(tree, arguments)
        paths = [f"/v2/{repository}/manifests/{tag}" for repository, tag in tags_of(arguments)]
        for turn in range(arguments.turns):
            copy = folder / f"copy{turn}"
            subprocess.run(["cp", "-al", tree, copy], check=True)
            measure(folder / f"turn{turn}", copy, paths, samples=samples)
            subprocess.run(["rm", "-rf", copy], check=True)
    for kind, times in samples.items():
        cuts = statistics.quantiles(times, n=1000)
        print(
            f"{kind:>13}: {len(times):6} pulls, p50 {cuts[499]:6.2f}, p99 {cuts[989]:6.2f}, p99.9 {cuts[998]:6.2f} ms"
        )


def measure(folder: Path, root: Path, paths: list[str], *, samples: dict[str, list[float]]) -> None:
    """One service of one worker: pulls alone, beside a collection of garbage, and beside one that finds none."""
    summary = Layout(root).run("gc")
    summary.parent.mkdir(parents=True)
    summary.write_text(json.dumps({"finished": time.time()}))
    stackgen = {"workers": 1, "gc": {"grace": "0s", "trash": "24h"}, "scrub": {"enabled": False}}
    with start_registry(folder, config={"stackgen": stackgen, "log": {"level": "info"}}, root=root) as registry:
        wait_for_the_index(registry)
        pulls = Pulls(registry.port, paths)
        pulls.go_on(2)
        begin = time.time()
        pulls.go_on(ALONE)
        samples["alone"] += pulls.between(begin, time.time())
        for kind in ("with garbage", "clean"):
            told = pull_beside(pulls, summary)
            samples[kind] += pulls.between(told["started"], told["finished"])
            went = f"{told['removed_blobs']} blobs and {told['removed_links']} links removed"
            print(f"{kind}: {told['finished'] - told['started']:.1f} s, {went}", flush=True)


def pull_beside(pulls: Pulls, summary: Path) -> dict[str, Any]:
    """Makes a collection due and pulls until it is done; what it tells of itself."""
    summary.write_text(json.dumps({"finished": 0}))
    end = time.time() + PATIENCE
    while time.time() < end:
        pulls.go_on(0.5)
        told: dict[str, Any] = json.loads(summary.read_text())
        if told["finished"]:
            return told
    raise SystemExit("no collection ran")


def wait_for_the_index(registry: RunningRegistry) -> None:
    """Until what every start does first is done."""
    end = time.monotonic() + PATIENCE
    while "index: " not in registry.log.read_text():
        if time.monotonic() > end:
            raise SystemExit("the index was never compared with the tree")
        time.sleep(0.2)


if __name__ == "__main__":
    main()
