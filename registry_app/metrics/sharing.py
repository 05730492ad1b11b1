"""One folder in which the workers of a service keep their counts, so that any of them can tell the sum.

A worker takes the lowest free slot, held by a lock that ends with the process, and writes the slot's files. The next
worker in the slot goes on from their values: counters never fall, and the files don't grow in number with restarts.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import values

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFIX = "registry-metrics-"
_OWNER = "owner.lock"


class SharedFolder:
    """The folder; alive as long as the process that made it or one of that process's children."""

    def __init__(self, path: Path, owner: int) -> None:
        self.path = path
        self._owner = owner
        self._maker = os.getpid()
        self._slot_lock: int | None = None
        self.slot: int | None = None

    def claim_slot(self) -> int:
        """Takes a slot for this process and makes prometheus_client count in it from here on."""
        self.slot, self._slot_lock = next(self._free_slots())
        for leftover in self.path.glob(f"gauge_live*_{self.slot}.db"):
            leftover.unlink()  # what a dead worker had in flight
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(self.path)
        slot = self.slot
        values.ValueClass = values.MultiProcessValue(lambda: slot)
        return slot

    def live_slots(self) -> set[int]:
        """Slots whose workers run."""
        return {slot for slot, lock in self._locks() if not _is_free(lock)}

    def files(self) -> list[str]:
        """The files of counts: all counters and histograms, gauges of living workers alone."""
        live = self.live_slots()
        found = [path for path in sorted(self.path.glob("*.db")) if path.name[0] != "g" or _slot_of(path) in live]
        return [str(path) for path in found]

    def remove(self) -> None:
        """Deletes the folder, in the process that made it alone."""
        if os.getpid() == self._maker:
            os.close(self._owner)
            shutil.rmtree(self.path, ignore_errors=True)

    def _free_slots(self) -> Iterator[tuple[int, int]]:
        for slot in count():
            lock = os.open(self.path / f"slot_{slot}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
            else:
                yield slot, lock

    def _locks(self) -> Iterator[tuple[int, Path]]:
        for path in self.path.glob("slot_*.lock"):
            yield _slot_of(path), path


def open_shared_folder(parent: Path | None = None) -> SharedFolder:
    """A new folder below `parent` (default: the system's for temporary files); removes those of dead services."""
    place = parent or Path(tempfile.gettempdir())
    for left in place.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if _is_free(left / _OWNER):
                shutil.rmtree(left, ignore_errors=True)
    path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
    # Locked before it has its name: a folder without a locked owner is one that was left behind.
    owner = os.open(path / f"{_OWNER}.new", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(owner, fcntl.LOCK_EX)
    (path / f"{_OWNER}.new").rename(path / _OWNER)
    return SharedFolder(path, owner)


def _is_free(lock: Path) -> bool:
    """Whether no process holds the lock. Raises FileNotFoundError where there is no such lock."""
    descriptor = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)


def _slot_of(path: Path) -> int:
    return int(path.stem.rpartition("_")[2])
