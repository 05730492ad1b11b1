"""One folder in which the workers of a service keep their counts, so that any of them can tell the sum.

A worker takes the lowest free slot, held by a lock that ends with the process, and counts in the slot's file, which it
maps into its memory. The next worker in the slot goes on from there: counters never fall, not even those of a killed
worker, and the files don't grow in number with restarts.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import shutil
import tempfile
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from registry_app.metrics.rows import SIZE, clear_gauges, new_row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from registry_app.metrics.rows import Row

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
        """Takes a slot for this process."""
        self.slot, self._slot_lock = next(self._free_slots())
        return self.slot

    def open_row(self) -> memoryview[float]:
        """The row of this process's slot, where every addition is one to the file."""
        path = self.path / f"counts_{self.slot}"
        if not path.exists():
            # Written, not stretched: a full disk must say so here, and not kill whoever counts later.
            draft = path.with_suffix(".new")
            draft.write_bytes(bytes(SIZE))
            draft.rename(path)
        with path.open("r+b") as file:
            row = memoryview(mmap.mmap(file.fileno(), SIZE)).cast("d")
        clear_gauges(row)  # what a dead worker had in flight
        return row

    def live_slots(self) -> set[int]:
        """Slots whose workers run."""
        return {slot for slot, lock in self._locks() if not _is_free(lock)}

    def rows(self) -> Iterator[Row]:
        """Every slot's counts at this moment; gauges of living workers alone."""
        live = self.live_slots()
        for path in sorted(self.path.glob("counts_*[0-9]")):
            row = new_row(path.read_bytes())
            if _slot_of(path) not in live:
                clear_gauges(row)
            yield row

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
