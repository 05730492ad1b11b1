"""`scripts/faults NAME --count N --seed S`: one fault run in full."""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.runs import RUNS


def main():
    """Exit code 1 if there was a violation, 2 if the run can't be done here."""
    parser = argparse.ArgumentParser(prog="scripts/faults", description=__doc__)
    parser.add_argument(
        "name", choices=sorted(RUNS), help="; ".join(f"{name}: {run.about}" for name, run in RUNS.items())
    )
    parser.add_argument("--count", type=int, help="how many; without it as many as a full run has")
    parser.add_argument("--seed", type=int, default=random.randrange(10**9))
    parser.add_argument("--peer", help="another registry's binary with upstream's command line, to compare")
    parser.add_argument("--folder", help="where the tree lies while it runs (default: the temporary folder)")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # takes apart what was set up
    run = RUNS[arguments.name]
    if reason := run.why_not():
        sys.exit(f"{arguments.name}: {reason}")
    if arguments.peer and not run.takes_peer:
        sys.exit(f"{arguments.name}: needs commands of ours, --peer can't be compared")
    count = run.many if arguments.count is None else arguments.count
    print(f"{arguments.name}: {run.about}; count {count}, seed {arguments.seed}", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(dir=arguments.folder, prefix="faults-") as folder:
        more = run.in_full | ({"peer": arguments.peer} if arguments.peer else {})
        outcome = run.act(Path(folder).resolve() / "run", count=count, seed=arguments.seed, **more)
    print(f"{arguments.name}: {outcome}\nin {time.monotonic() - began:.0f} s, seed {arguments.seed}")
    sys.exit(bool(outcome.violations))


if __name__ == "__main__":
    main()
