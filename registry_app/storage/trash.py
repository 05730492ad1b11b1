"""What a collection or the deletion of a repository took away, until it is removed for good.

Each run has its folder, named after its time, in which everything keeps its path below the tree.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from registry_app.storage.files import Files
    from registry_app.storage.layout import Layout

_TIME = "%Y%m%dT%H%M%S.%fZ"
# What was deleted on request comes back by an explicit restore only, never because a push refers to it.
COLLECTED, DELETED = "collected", "deleted"


class Trash:
    """The trash of one store."""

    def __init__(self, layout: Layout, files: Files) -> None:
        self._layout = layout
        self._files = files
        self._made = ""

    def start_run(self, now: float, kind: str) -> str:
        """The name of a new run, beginning with its time in UTC; its folder comes with the first thing in it."""
        return f"{datetime.fromtimestamp(now, UTC).strftime(_TIME)}-{kind}-{uuid.uuid4().hex[:8]}"

    def throw(self, run: str, path: Path) -> None:
        """Moves a file or folder of the tree away in one step; FileNotFoundError if it is not there."""
        self._move(run, str(path))

    def throw_leaf(self, run: str, path: Path) -> None:
        """Moves a file away together with its folder, in which nothing else lies; the caller holds its lock."""
        self._move(run, str(path).rpartition("/")[0])

    def make_place(self, run: str, path: Path) -> None:
        """Makes the folder that `throw_leaf` moves this file's folder to, so that only a rename is left to do."""
        place = self._place(run, str(path)).rsplit("/", 2)[0]
        if place != self._made:  # a collection goes through the tree folder by folder
            os.makedirs(place, exist_ok=True)  # noqa: PTH103 - as `_move`
            self._made = place

    def take_back(self, path: Path) -> bool:
        """Puts a file back that a collection took, from the latest; durable when this returns True."""
        for place in self._collected(path):
            with contextlib.suppress(FileNotFoundError):
                if self._files.exists(place):
                    self._files.publish(place, path)
                    return True
        return False

    def forget(self, path: Path) -> None:
        """Removes what collections took from this place, so that nothing brings it back."""
        for place in self._collected(path):
            if place.is_dir():
                shutil.rmtree(place, ignore_errors=True)
            else:
                place.unlink(missing_ok=True)

    def runs(self) -> list[str]:
        """Names of the runs that still have their things, oldest first."""
        return sorted(self._files.names(self._layout.trash))

    def extent(self, run: str) -> tuple[int, int]:
        """Number of files of a run, and their bytes."""
        sizes = []
        for place in self.contents(run):
            with contextlib.suppress(FileNotFoundError):  # taken back or emptied at this moment
                sizes.append(self._in_run(run, place).stat(follow_symlinks=False).st_size)
        return len(sizes), sum(sizes)

    def contents(self, run: str) -> list[Path]:
        """The places in the tree of what a run took: blobs first, and within a repository layers before manifests."""
        folder = str(self._layout.trash / run)
        found = (Path(parent, name) for parent, _, names in os.walk(folder) for name in names)
        return sorted(self._layout.tree / path.relative_to(folder) for path in found if not path.is_symlink())

    def put_back(self, run: str, place: Path) -> bool:
        """Puts back what a run took from this place, unless something newer lies there; durable when this is True."""
        source = self._in_run(run, place)
        with contextlib.suppress(FileNotFoundError):  # taken back by a push at this moment
            if not place.exists():
                os.utime(source)  # a lease of its own: the next collection would take it away again
                self._files.publish(source, place)
                return True
        return False

    def empty(self, run: str) -> None:
        """Removes a run's things for good."""
        shutil.rmtree(self._layout.trash / run, ignore_errors=True)

    def _move(self, run: str, source: str) -> None:
        place = self._place(run, source)
        try:
            move_folder(source, place)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(place), exist_ok=True)  # noqa: PTH103, PTH120
            move_folder(source, place)

    def _place(self, run: str, path: str) -> str:
        return f"{self._layout.trash}/{run}{path.removeprefix(str(self._layout.tree))}"

    def _in_run(self, run: str, place: Path) -> Path:
        return self._layout.trash / run / place.relative_to(self._layout.tree)

    def _collected(self, path: Path) -> list[Path]:
        return [self._in_run(run, path) for run in reversed(self.runs()) if f"-{COLLECTED}-" in run]


def move_folder(source: str, place: str) -> None:
    """Renames a folder, or copies it and removes it: overlays rename no folder that comes from a lower layer."""
    try:
        # Not by Path: a collection does this a hundred thousand times.
        os.rename(source, place)  # noqa: PTH104
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        shutil.copytree(source, place, symlinks=True)
        shutil.rmtree(source)


def time_of(run: str) -> float | None:
    """When a run began, in seconds since 1970; None for a folder of another name."""
    try:
        # Not strptime, which imports a module when it is first used: root acts as a user who may not read it.
        return datetime.fromisoformat(run.partition("-")[0]).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
