"""What the command line costs before it works for anyone: CPU of `--help` and of a `render`.

python -m bench.command_line            # half a minute; prints a table and stores it in bench/results/
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bench.statistics import Summary, ratio, summarise

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parent.parent
RUNS = 15
HELP, CLICK = "stackgen --help", "python -c 'import click'"
RENDER, CHANGED = "stackgen render, nothing to change", "stackgen render, all files anew"
GOALS = {HELP: "2.5 times click", RENDER: "0.5 s", CHANGED: "0.5 s"}


def cpu_of(command: Sequence[str]) -> float:
    """Seconds of CPU, user and system, that a command and its children take; CalledProcessError when it fails."""
    # As where it was installed: a shell that forbids byte code would make each run compile the package first.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True, cwd=ROOT, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(runs: int = RUNS) -> dict[str, Summary]:
    """Medians and spreads of each command, run in turn so that what else the machine does hits them alike."""
    tool = [sys.executable, "-m", "stackgen"]
    taken: dict[str, list[float]] = {name: [] for name in (CLICK, HELP, RENDER, CHANGED)}
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        stack = Path(place) / "stack"
        cpu_of([*tool, "init", str(stack), "--domain", "registry.example.com", "--yes"])
        cpu_of([*tool, "render", str(stack)])
        plain = (stack / ".env").read_text()
        for number in range(runs):
            taken[CLICK].append(cpu_of([sys.executable, "-c", "import click"]))
            taken[HELP].append(cpu_of([*tool, "--help"]))
            taken[RENDER].append(cpu_of([*tool, "render", str(stack)]))
            (stack / ".env").write_text(plain + f"REGISTRY_WORKERS={number % 2 + 3}\nLOG_MAX_FILES={number % 2 + 3}\n")
            for path in stack.glob("*/*.*"):
                if path.parent.name in {"nginx", "registry", "prometheus", "grafana"} and path.is_file():
                    path.unlink()
            taken[CHANGED].append(cpu_of([*tool, "render", str(stack)]))
    return {name: found for name, values in taken.items() if (found := summarise(values))}


def main() -> None:
    """Prints and stores the table."""
    found = measure()
    print(f"{'CPU of':36} {'median':>8} {'spread':>7}   goal")
    for name, one in found.items():
        print(f"{name:36} {one.median:7.3f}s {one.spread:6.0%}   {GOALS.get(name, '')}")
    print(f"--help is {ratio(found[HELP], found[CLICK]):.2f} times click; load of the machine {os.getloadavg()[0]:.1f}")
    document = {name: {"median_s": one.median, "spread": one.spread, "runs": one.count} for name, one in found.items()}
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H%M%S")
    (ROOT / "bench" / "results" / f"command-line-{stamp}.json").write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
