"""The fault runs, small: each full one is a command of its own (`scripts/faults NAME`)."""

from __future__ import annotations

import os
import random

import pytest

from tests.faults.histories import NEVER, Operation, is_linearizable
from tests.faults.runs import RUNS


@pytest.mark.fault
@pytest.mark.parametrize("name", sorted(RUNS))
def test_nothing_acknowledged_is_lost(name, tmp_path):
    """Whatever happens to the service, what it acknowledged can be pulled, whole, and no tag answers 5xx."""
    run = RUNS[name]
    if reason := run.why_not():
        pytest.skip(f"{name}: {reason}")
    seed = int(os.environ.get("FAULT_SEED", random.randrange(10**9)))
    print(f"scripts/faults {name} --count {run.few} --seed {seed}")
    outcome = run.act(tmp_path / "run", count=run.few, seed=seed)
    print(outcome)
    assert not outcome.violations, f"seed {seed}: {outcome}"


def operation(start, end, kind, value):
    """An operation on a tag."""
    return Operation(start, end, kind, value)


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ([operation(0, 1, "put", "a"), operation(2, 3, "get", "a")], True),
        ([operation(0, 1, "put", "a"), operation(2, 3, "get", None)], False),
        ([operation(0, 1, "put", "a"), operation(2, 3, "put", "b"), operation(4, 5, "get", "a")], False),
        ([operation(0, 9, "put", "a"), operation(1, 2, "get", "a"), operation(3, 4, "get", None)], False),
        ([operation(0, 9, "put", "a"), operation(1, 2, "get", None), operation(3, 4, "get", "a")], True),
        ([operation(0, NEVER, "put", "a"), operation(5, 6, "get", "a")], True),
        ([operation(0, NEVER, "put", "a"), operation(5, 6, "get", None), operation(7, 8, "get", "a")], True),
        ([operation(0, 1, "put", "a"), operation(2, 3, "delete", True), operation(4, 5, "get", None)], True),
        ([operation(0, 1, "put", "a"), operation(2, 3, "delete", False)], False),
        ([operation(0, 1, "put", "a"), operation(2, NEVER, "delete", None), operation(4, 5, "get", "a"), operation(6, 7, "get", None)], True),
    ],
)  # fmt: skip
def test_the_checker_of_histories_tells_good_from_bad(history, expected):
    """Lost writes, stale reads and reads that go back in time are found."""
    assert is_linearizable(history) == expected
