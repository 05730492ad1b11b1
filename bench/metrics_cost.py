"""What the metrics cost: instructions that a worker spends on a request, with and without them.

    python -m bench.metrics_cost            # four minutes, whatever else the machine does; needs valgrind

Requests a second can't tell it: two services started one after the other differ by five per cent of them, either way,
by how their memory happens to lie. Instructions are counted alike each time. Left out is what would make the share
smaller still, the kernel's and nginx's part of a request; what the service does once a second weighs more than it
should, as a request lasts fifty times as long here.
"""

from __future__ import annotations

import http.client
import re
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.contenders import RunningContender, ours
from bench.tree import MANIFEST, write_tree
from bench.workspace import free_port, make_workspace

if TYPE_CHECKING:
    from bench.tree import Image

FEW, MANY = 100, 1100
COUNTING = ("valgrind", "-q", "--tool=cachegrind", "--cache-sim=no", "--trace-children=yes")


def main() -> None:
    """Prints instructions of a request of both, and the cost."""
    if shutil.which(COUNTING[0]) is None:
        sys.exit("valgrind is not here: apt-get install valgrind")
    counting, plain = (of_a_request(metrics=metrics) for metrics in (True, False))
    print(f"GET of a manifest by tag, login remembered, a line in the log, {MANY - FEW} requests")
    print(f"with metrics    {counting:9,.0f} instructions of the worker a request")
    print(f"without metrics {plain:9,.0f}")
    print(f"cost: {(counting / plain - 1) * 100:.2f} %")


def of_a_request(*, metrics: bool) -> float:
    """Instructions that one of many more requests takes."""
    return (spent(MANY, metrics=metrics) - spent(FEW, metrics=metrics)) / (MANY - FEW)


def spent(requests: int, *, metrics: bool) -> int:
    """Instructions of the only worker of a service that answered so many requests."""
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        folder = Path(place)
        workspace = make_workspace(folder)
        tree = write_tree(folder / "tree", repositories=1, tags=1, many=1, large=0)
        contender = ours(metrics=metrics, access_log=True, workers=1)
        counted = (*COUNTING, f"--cachegrind-out-file={folder}/counted.%p", *contender.command)
        port = free_port()
        running = RunningContender(replace(contender, command=counted), workspace, root=tree.root, port=port)
        try:
            ask(port, tree.images[0], {"Authorization": workspace.credentials[0].header}, requests=requests)
            worker = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()[0]
        finally:
            running.stop()
        found = re.search(r"^summary: (\d+)$", (folder / f"counted.{worker}").read_text(), re.MULTILINE)
    if found is None:
        raise RuntimeError("valgrind counted nothing")
    return int(found[1])


def ask(port: int, image: Image, headers: dict[str, str], *, requests: int) -> None:
    """Asks for a manifest again and again, over one connection. Raises RuntimeError for a wrong answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for _ in range(requests):
        connection.request(
            "GET", f"/v2/{image.repository}/manifests/{image.tag}", headers={**headers, "Accept": MANIFEST}
        )
        answer = connection.getresponse()
        answer.read()
        if (answer.status, answer.headers["Docker-Content-Digest"]) != (200, image.manifest):
            raise RuntimeError(f"answered {answer.status}")
    connection.close()


if __name__ == "__main__":
    main()
