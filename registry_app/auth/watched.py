"""A file that is read again when it changes, and whose last good content stays in force when it breaks."""

from __future__ import annotations

import os
import stat
import threading
import time
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Content = TypeVar("Content")

LARGEST = 8 << 20
"""Bytes. Nothing that is configured here by people is larger; a wrong path may be."""
LOOK_EVERY = 0.5
"""Seconds between two looks at the file: a change is in force in every worker well within two seconds."""
SETTLE = 0.2
"""Seconds for which a file must have been left alone: editors and htpasswd(1) write in place, in several steps."""
PATIENCE = 1.0
"""Seconds after which a file that is never left alone is read as it is: a change must not wait for its writer."""


class FileRefusedError(Exception):
    """The content can't be used as a whole; the text says what is wrong and where."""


class WatchedFile(Generic[Content]):
    """The parsed content of one file, at most half a second old, cheap to ask for and safe among threads.

    `parse` turns bytes into content or raises FileRefusedError. Until the first good read `fallback` is in force:
    it must be the content that lets nobody in. `problem` says why what is in force may be older than the file.
    """

    def __init__(
        self,
        path: Path,
        parse: Callable[[bytes], Content],
        *,
        fallback: Content,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = path
        self.problem: str | None = None
        self._parse = parse
        self._clock = clock
        self._content = fallback
        self._seen: object = None
        self._inode: int | None = None
        self._restless_since: float | None = None
        self._next_look = float("-inf")
        self._looking = threading.Lock()
        self._look(self._clock())

    def current(self) -> Content:
        """The content in force now."""
        now = self._clock()
        # A clock that was set back must not stop us from looking, hence both comparisons.
        if not self._next_look - LOOK_EVERY <= now < self._next_look and self._looking.acquire(blocking=False):
            try:
                self._look(now)
            finally:
                self._looking.release()
        return self._content

    def latest(self) -> Content:
        """The content after a look at the file now: for decisions that are rare, dear, or must not be old."""
        with self._looking:
            self._look(self._clock())
        return self._content

    def why_stale(self) -> str | None:
        """Why what is in force may be older than the file, after a look at it; None while they agree."""
        self.latest()
        return self.problem

    def _look(self, now: float) -> None:
        first = self._next_look == float("-inf")
        self._next_look = now + LOOK_EVERY
        try:
            found = self.path.stat()
        except OSError as error:
            self._refuse(None, f"{self.path}: {error.strerror}")
            return
        signature = (found.st_ino, found.st_dev, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        # A file that was replaced by a rename is whole; one that is being written in place is left to settle.
        written = not first and found.st_ino == self._inode and 0 <= now - found.st_mtime < SETTLE
        if signature == self._seen or (written and self._may_settle(now)):
            return
        self._inode, self._restless_since = found.st_ino, None
        try:
            self._content = self._parse(self._read())
        except OSError as error:
            self._refuse(None, f"{self.path}: {error.strerror}")
        except FileRefusedError as error:
            self._refuse(signature, f"{self.path}: {error}")
        except Exception as error:  # noqa: BLE001 (no file may make a request fail, whatever its parser did not foresee)
            self._refuse(signature, f"{self.path}: can't be read: {type(error).__name__}")
        else:
            self._seen, self.problem = signature, None

    def _may_settle(self, now: float) -> bool:
        """Whether to wait on for a file that is being written."""
        if self._restless_since is None:
            self._restless_since = now
        return 0 <= now - self._restless_since < PATIENCE

    def _read(self) -> bytes:
        descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise FileRefusedError("is not a regular file")
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise FileRefusedError(f"is larger than {LARGEST >> 20} MiB")
        return content

    def _refuse(self, signature: object, problem: str) -> None:
        self._seen, self.problem = signature, problem
