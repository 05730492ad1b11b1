"""What lists cost the registry: `python -m bench.lists `, over 1,000 repositories, 10,000 tags and 10,000 manifests.

CPU and wall time of one worker for one request, straight to the service, with Basic authentication: the first request
after a start (cold; its password is checked before), the median over those that follow at once (next), and over many a
while later (warm).
"""

from __future__ import annotations

import http.client
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import monotonic, sleep
from typing import TYPE_CHECKING

import click

from bench.contenders import ours
from bench.processes import cpu_seconds
from bench.runner import Place
from bench.tree import write_referrers, write_tree
from bench.workspace import make_workspace
from registry_app.storage.remembered import STANDS_STILL

if TYPE_CHECKING:
    from bench.workspace import Workspace

REPOSITORIES, TAGS, MANIFESTS, NEXT, WARM = 1000, 10_000, 10_000, 10, 100


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds of one request, or of all the pages of one list."""

    cold_cpu: float
    cold_wall: float
    next_cpu: float
    next_wall: float
    warm_cpu: float
    warm_wall: float


@dataclass(frozen=True, slots=True)
class List:
    """A list to ask for, and how many entries it has; with `pages` every page of it, one after the other."""

    path: str
    key: str
    entries: int
    pages: bool = False


def measure_lists(workspace: Workspace, root: Path, subject: str) -> dict[str, Cost]:
    """The cost of each list by its name; raises RuntimeError where an answer has not what it should have."""
    lists = {
        "nothing but the request": List("/v2/", "", 0),
        "catalog, page of 100": List("/v2/_catalog?n=100", "repositories", 100),
        "catalog, page of 1,000": List("/v2/_catalog?n=1000", "repositories", 1000),
        "tags, page of 100": List("/v2/team/many/tags/list?n=100&last=t5", "tags", 100),
        "tags, all 10,000 in 10 pages": List("/v2/team/many/tags/list?n=1000", "tags", TAGS, pages=True),
        "search, 25 of 1,000 repositories": List("/v1/search?q=service99&n=25", "results", 11),
        "search that finds nothing": List("/v1/search?q=nowhere&n=25", "results", 0),
        "referrers of one of 10,000 manifests": List(f"/v2/team/signed/referrers/{subject}", "manifests", 3),
    }
    return {name: _measure(one, workspace, root) for name, one in lists.items()}


def _measure(one: List, workspace: Workspace, root: Path) -> Cost:
    place = Place(ours(workers=1), workspace, root)
    place.start()
    try:
        asking = _Asking(place, {"Authorization": workspace.credentials[0].header})
        asking.times(List("/v2/team/nowhere/tags/list", "errors", 1))
        cold = asking.times(one)
        following = asking.median(one, NEXT)
        sleep(STANDS_STILL)
        asking.times(one)
        return Cost(*cold, *following, *asking.median(one, WARM))
    finally:
        place.stop()


class _Asking:
    """Asks a running registry over one connection."""

    def __init__(self, place: Place, headers: dict[str, str]) -> None:
        if place.pid is None:
            raise RuntimeError("the registry does not run")
        self._pid = place.pid
        self._connection = http.client.HTTPConnection("127.0.0.1", place.port, timeout=60)
        self._headers = headers

    def times(self, one: List) -> tuple[float, float]:
        """Milliseconds of the service's CPU, and on the wall."""
        cpu, wall = cpu_seconds(self._pid), monotonic()
        entries, path = 0, one.path
        while path:
            found, path = self._ask(path, one.key)
            entries += found
            path = path if one.pages else ""
        taken = monotonic() - wall
        if entries != one.entries:
            raise RuntimeError(f"{one.path}: {entries} entries instead of {one.entries}")
        return (cpu_seconds(self._pid) - cpu) * 1e3, taken * 1e3

    def median(self, one: List, count: int) -> tuple[float, float]:
        """Medians of `times` over many."""
        taken = [self.times(one) for _ in range(count)]
        return median(cpu for cpu, _ in taken), median(wall for _, wall in taken)

    def _ask(self, path: str, key: str) -> tuple[int, str]:
        self._connection.request("GET", path, headers=self._headers)
        response = self._connection.getresponse()
        found = json.loads(response.read())
        following = response.headers.get("Link", "")
        return len(found.get(key, ())), following.partition("<")[2].partition(">")[0]


@click.command()
@click.option("--tree", type=click.Path(path_type=Path), help="Where the tree lies; written there if it is new.")
@click.option("--rounds", default=1, type=click.IntRange(1), show_default=True, help="How often to do it all.")
def main(rounds: int, tree: Path | None) -> None:
    """Prints a table of what lists cost."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        workspace = make_workspace(Path(folder))
        root = tree or Path(folder) / "tree"
        if not root.exists():
            print("writing the tree …", flush=True)
            write_tree(root, repositories=REPOSITORIES, tags=5, many=TAGS, large=0)
        subject = write_referrers(root, "team/signed", manifests=MANIFESTS)
        print("| list | cold CPU / wall, ms | next CPU / wall, ms | warm CPU / wall, ms |\n|---|---|---|---|")
        for _ in range(rounds):
            for name, cost in measure_lists(workspace, root, subject).items():
                cold = f"{cost.cold_cpu:.1f} / {cost.cold_wall:.1f}"
                following = f"{cost.next_cpu:.1f} / {cost.next_wall:.1f}"
                print(f"| {name} | {cold} | {following} | {cost.warm_cpu:.2f} / {cost.warm_wall:.2f} |", flush=True)


if __name__ == "__main__":
    main()
