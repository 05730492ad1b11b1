"""CPU time and memory of a process and all below it, from /proc."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds used so far, and the largest resident set in bytes since `reset_peak`, of the largest process."""

    cpu: float
    peak: int


def family(root: int) -> list[int]:
    """A process and its living descendants."""
    found, queue = [], [root]
    while queue:
        pid = queue.pop()
        found.append(pid)
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            with suppress(OSError):
                queue.extend(int(child) for child in task.read_text().split())
    return found


def usage(root: int) -> Usage:
    """What the family of `root` used. A process that has ended is counted through its parent's waited-for time."""
    cpu, peak = 0.0, 0
    for pid in family(root):
        with suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            cpu += sum(int(ticks) for ticks in fields[11:15]) / TICKS
            peak = max(peak, _peak(pid))
    return Usage(cpu, peak)


def cpu_seconds(root: int) -> float:
    """CPU seconds of the family of `root`, to the nanosecond, of all threads that still live."""
    nanoseconds = 0
    for pid in family(root):
        for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with suppress(OSError):
                nanoseconds += int(thread.read_text().split()[0])
    return nanoseconds / 1e9


def reset_peak(root: int) -> None:
    """Starts the measuring of memory anew."""
    for pid in family(root):
        with suppress(OSError):
            Path(f"/proc/{pid}/clear_refs").write_text("5")


def _peak(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0
