"""What the metrics cost: the same service with and without them, in turns, by processor time for each request.

    python -m bench.metrics_cost [ROUNDS]

Processor time of the service's own processes, not the clock. A program beside it still counts, through caches and cores
that are shared: that is why the two take turns after every few requests, so that what disturbs one disturbs the other.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

from tests.serving import RunningRegistry, start_registry

REQUESTS = 50
TURNS = 30
"""So many requests at a time, so many times in a round."""
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
TICK = os.sysconf("SC_CLK_TCK")


def main(rounds: int) -> None:
    """Prints the medians of both, and the cost as the median over pairs of neighbouring rounds."""
    with tempfile.TemporaryDirectory() as folder:
        quiet = {"log": {"accesslog": {"disabled": True}}, "stackgen": {"workers": 1}}
        without = {**quiet, "http": {"debug": {"prometheus": {"enabled": False}}}}
        with (
            start_registry(Path(folder, "with"), config=quiet, users={"alice": "pw"}) as one,
            start_registry(Path(folder, "without"), config=without, users={"alice": "pw"}) as two,
        ):
            for registry in (one, two):
                prepare(registry)
                spend(registry)
            pairs = [measure(one, two) for _ in range(rounds)]
    counted, plain = (statistics.median(side) for side in zip(*pairs, strict=True))
    costs = sorted((a / b - 1) * 100 for a, b in pairs)
    print(f"GET of a manifest, login remembered, {rounds} rounds of {REQUESTS * TURNS} requests each")
    print(f"with metrics    {counted * 1e6:7.1f} µs of processor time a request")
    print(f"without metrics {plain * 1e6:7.1f} µs")
    low, high = costs[rounds // 4], costs[-1 - rounds // 4]
    print(f"cost: {statistics.median(costs):.1f} % (middle half {low:.1f} to {high:.1f} %)")


def measure(one: RunningRegistry, two: RunningRegistry) -> tuple[float, float]:
    """Processor seconds a request with and without metrics, of one round."""
    spent = {one.port: 0.0, two.port: 0.0}
    for turn in range(TURNS):
        for registry in (one, two) if turn % 2 else (two, one):
            spent[registry.port] += spend(registry)
    return spent[one.port] / TURNS, spent[two.port] / TURNS


def prepare(registry: RunningRegistry) -> None:
    """Pushes what is pulled."""
    config = b"{}"
    digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
    registry.request("POST", f"/v2/a/b/blobs/uploads/?digest={digest}", config)
    describe = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": len(config)}
    body = {"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": describe, "layers": []}
    answer = registry.request("PUT", "/v2/a/b/manifests/1", json.dumps(body), {"Content-Type": MANIFEST_TYPE})
    assert answer.status == 201, answer.body  # noqa: S101


def spend(registry: RunningRegistry) -> float:
    """Processor seconds that one request of many took."""
    connection = http.client.HTTPConnection("127.0.0.1", registry.port, timeout=30)
    headers = {"Authorization": "Basic YWxpY2U6cHc="}
    before = processor_seconds(registry)
    for _ in range(REQUESTS):
        connection.request("GET", "/v2/a/b/manifests/1", headers=headers)
        connection.getresponse().read()
    connection.close()
    return (processor_seconds(registry) - before) / REQUESTS


def processor_seconds(registry: RunningRegistry) -> float:
    """Of the parent's children, at the resolution of the scheduler where the kernel tells it."""
    children = Path(f"/proc/{registry.process.pid}/task/{registry.process.pid}/children").read_text().split()
    return sum(_of_threads(child) for child in children)


def _of_threads(pid: str) -> float:
    total = 0.0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0]) / 1e9
        except FileNotFoundError:
            fields = (task / "stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / TICK
    return total


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
