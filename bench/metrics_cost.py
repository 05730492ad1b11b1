"""What the metrics cost: the same service with and without them, behind one nginx, in turns.

    python -m bench.metrics_cost [TURNS]              # two seconds a turn, three minutes by default

Both are as the rendered stack configures them, with a line in the log for each request. The one that counts is read as
Prometheus does it, every fifteen seconds of its own. Told are requests a second, and the processor time of registry and
nginx for each request: the time moves less, for it does not count what load generator and machine do besides.
"""

from __future__ import annotations

import http.client
import statistics
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING

from bench.contenders import ours
from bench.load import get_load
from bench.processes import cpu_seconds
from bench.proxy import Backend, Proxy
from bench.runner import Place, stand_of, warm_up
from bench.tree import write_tree
from bench.workspace import make_workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.contenders import Contender
    from bench.stand import Stand

WITH, WITHOUT = "with-metrics", "without-metrics"
CONNECTIONS = 16
SECONDS = 1.0
SCRAPED_EVERY = 15  # turns of a second


@dataclass(frozen=True, slots=True)
class Turn:
    """Requests a second, and processor seconds of registry and nginx for each."""

    rate: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Cost:
    """In per cent: the median over pairs of neighbouring turns, and where it lies in 95 of 100 such runs."""

    median: float
    low: float
    high: float


def main(turns: int) -> None:
    """Prints the medians of both, and the cost."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        pairs = measure(Path(folder), turns)
    counting, plain = zip(*pairs, strict=True)
    print(f"GET of 100 manifests by tag in turn, {CONNECTIONS} connections, {turns} turns of {SECONDS:.0f} s each")
    for name, side in ((WITH, counting), (WITHOUT, plain)):
        rate, cpu = statistics.median(turn.rate for turn in side), statistics.median(turn.cpu for turn in side)
        print(f"{name:15} {rate:7.0f} requests/s, {cpu * 1e6:6.1f} µs of processor time of registry and nginx each")
    print(f"cost in throughput:     {told([1 - with_.rate / without.rate for with_, without in pairs])}")
    print(f"cost in processor time: {told([with_.cpu / without.cpu - 1 for with_, without in pairs])}")


def measure(folder: Path, turns: int) -> list[tuple[Turn, Turn]]:
    """Pairs of turns, with and without metrics."""
    workspace = make_workspace(folder)
    places = []
    for name, metrics in ((WITH, True), (WITHOUT, False)):
        tree = write_tree(folder / "trees" / name, repositories=20, tags=5, many=1, large=0)
        places.append(Place(ours(name=name, metrics=metrics, access_log=True), workspace, tree.root))
    paths = [f"/v2/{image.repository}/manifests/{image.tag}" for image in tree.images]
    with ExitStack() as running:
        for place in places:
            running.callback(place.stop)
            place.start()
        proxy = Proxy(workspace, {place.public_port: Backend(place.port, place.root) for place in places})
        running.callback(proxy.stop)
        warm_up(places, proxy, workspace)
        stands = [stand_of(place, proxy, workspace) for place in places]
        pairs = []
        for number in range(turns):
            if number % SCRAPED_EVERY == 0:
                scrape(places[0].contender)
            # Backwards each second time, so that a drift of the machine meets both alike.
            found = {stand.name: take(stand, paths) for stand in (stands if number % 2 else stands[::-1])}
            pairs.append((found[WITH], found[WITHOUT]))
    return pairs


def take(stand: Stand, paths: Sequence[str]) -> Turn:
    """One turn; SystemExit where an answer was wrong."""
    before = spent_by(stand)
    sample = get_load(stand, paths, connections=CONNECTIONS, seconds=SECONDS)
    spent = spent_by(stand) - before
    if sample.failed or not sample.requests:
        raise SystemExit(f"{stand.name}: {sample.failed} of {sample.requests} requests failed")
    return Turn(sample.value, spent / sample.requests)


def spent_by(stand: Stand) -> float:
    """Processor seconds of registry and nginx so far."""
    return sum(cpu_seconds(pid) for pid in (stand.app, stand.proxy.pid) if pid is not None)


def scrape(contender: Contender) -> None:
    """Reads the metrics once."""
    connection = http.client.HTTPConnection("127.0.0.1", contender.debug_port, timeout=10)
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    if answer.status != http.HTTPStatus.OK or b"registry_http_requests_total" not in answer.read():
        raise SystemExit(f"/metrics answered {answer.status}")
    connection.close()


def told(costs: Sequence[float]) -> str:
    """A cost, for people."""
    cost = cost_of(costs)
    return f"{cost.median:.1f} % (95 % interval of the median: {cost.low:.1f} to {cost.high:.1f} %)"


def cost_of(costs: Sequence[float]) -> Cost:
    """The median and the ranks around it that hold the true one in 95 of 100 cases, whatever the distribution. Pure."""
    ordered = sorted(100 * cost for cost in costs)
    reach = 0.98 * sqrt(len(ordered))
    low, high = int(len(ordered) / 2 - reach), int(len(ordered) / 2 + reach)
    return Cost(statistics.median(ordered), ordered[max(0, low)], ordered[min(len(ordered) - 1, high)])


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 90)
