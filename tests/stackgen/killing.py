"""Where a program can be killed: each system call of a traced run, as strace takes it."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def points_of(log: Path) -> list[tuple[str, int]]:
    """(system call, its number among those of that name) in the order of a log of `strace -o`, of its first process.

    strace counts each call by itself: `when=` alone would never reach most of them.
    """
    found: list[tuple[str, int]] = []
    seen: Counter[str] = Counter()
    first = None
    for line in log.read_text(errors="replace").splitlines():
        match = re.match(r"(?:(\d+) +)?(\w+)\(", line)
        if match is None:
            continue
        first = first or match[1]
        if match[1] == first:
            seen[match[2]] += 1
            found.append((match[2], seen[match[2]]))
    return found


def kill_at(point: tuple[str, int]) -> list[str]:
    """Options of strace for a kill at the entry of that call."""
    call, number = point
    return ["-e", f"inject={call}:signal=SIGKILL:when={number}"]
