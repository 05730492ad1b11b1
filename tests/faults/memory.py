"""Control groups whose memory runs short."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

MOUNT = Path("/sys/fs/cgroup")
PATIENCE = 20  # seconds
# Touches so many megabytes, more than there are, and holds them for a moment.
HOG = "import sys, time; taken = bytearray(b'x') * (int(sys.argv[1]) << 20); time.sleep(0.3)"


def why_not():
    """Why there can be no such group here, None if there can."""
    if os.geteuid() != 0:
        return "needs root"
    return None if os.access(MOUNT, os.W_OK) else "needs control groups that can be written"


class MemoryGroup:
    """A control group of version 1 or 2."""

    def __init__(self, name):
        first = (MOUNT / "memory").is_dir()
        self.folder = (MOUNT / "memory" if first else MOUNT) / name
        self.folder.mkdir()
        self._limit = self.folder / ("memory.limit_in_bytes" if first else "memory.max")
        self._used = self.folder / ("memory.usage_in_bytes" if first else "memory.current")
        # What goes before a command that is to run in it.
        self.wrapper = ("sh", "-c", f'echo $$ >{self.folder}/cgroup.procs; exec "$0" "$@"')

    def starve(self, victims, megabytes):
        """Lets something else take so much more than there is that the kernel kills, the victims first."""
        for pid in victims:
            with suppress(OSError):
                Path(f"/proc/{pid}/oom_score_adj").write_text("1000")
        room = 20
        self._limit.write_text(str(int(self._used.read_text()) + (room << 20)))
        with suppress(subprocess.TimeoutExpired):
            hog = [*self.wrapper, sys.executable, "-c", HOG, str(room + megabytes)]
            subprocess.run(hog, check=False, timeout=10, capture_output=True)

    def remove(self):
        """Ends what is left in it, and the group."""
        end = time.monotonic() + PATIENCE
        while self.folder.exists() and time.monotonic() < end:
            for pid in (self.folder / "cgroup.procs").read_text().split():
                with suppress(ProcessLookupError):
                    os.kill(int(pid), 9)
            with suppress(OSError):  # those killed take their time
                self.folder.rmdir()
            time.sleep(0.05)


def has_memory(pid):
    """Whether a process lives; one that nobody has buried yet has none."""
    with suppress(OSError):
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    return False


@contextmanager
def memory_group(name):
    """A group for a while."""
    group = MemoryGroup(name)
    try:
        yield group
    finally:
        group.remove()
