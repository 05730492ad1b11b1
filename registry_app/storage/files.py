"""Files that survive a power cut, below one root that no symbolic link leads out of.

A directory entry is on disk only after an fsync of its directory, and so for each directory above it that may be
new: another process may have made it a moment ago without having synced it yet. An fsync of a clean directory costs
microseconds, so the whole chain is synced each time instead of guessing.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import stat as stat_modes
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LINK_MODE = 0o644
FOLDER_MODE = 0o755
_TRIES = 8
_READ = 64 * 1024
_MOST_DETOURS = 1000

log = logging.getLogger("registry.storage")


class Files:
    """The durable file operations of one store; `tops` are folders that exist durably since it was opened.

    What a writer that was killed leaves behind lies in `drafts`, in one place and never in the tree.
    """

    def __init__(self, *tops: Path, drafts: Path) -> None:
        self._tops = frozenset(tops)
        self._drafts = drafts
        self._detours: dict[str, None] = {}

    def detours(self) -> list[str]:
        """The symbolic links that were met, or lay on the way to what was asked for; they are not followed."""
        return [link for link in list(self._detours) if os.path.islink(link)]  # noqa: PTH114 - as they were found

    def open(self, path: Path, flags: int = os.O_RDONLY) -> int:
        """A file descriptor of exactly this path; FileNotFoundError if any part of it is a symbolic link."""
        for _ in range(_TRIES):
            try:
                # Not blocking: to open a pipe that was put there would wait for ever.
                descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
            except OSError as error:
                if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.ENXIO):  # ENXIO: a socket
                    break
                raise
            if os.readlink(f"/proc/self/fd/{descriptor}") == str(path):  # noqa: PTH115 - a Path for each open would cost more than the open
                return descriptor
            os.close(descriptor)  # replaced or moved at this moment, or reached through a planted link
        self._note(path)
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))

    def stat(self, path: Path) -> os.stat_result | None:
        """The regular file at this path, if there is one."""
        try:
            descriptor = self.open(path, os.O_PATH)
        except FileNotFoundError:
            return None
        try:
            found = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        return found if stat_modes.S_ISREG(found.st_mode) else None

    def exists(self, path: Path) -> bool:
        """Whether a regular file is there."""
        return self.stat(path) is not None

    def is_folder(self, path: Path) -> bool:
        """Whether a folder is there."""
        try:
            os.close(self.open(path, os.O_RDONLY | os.O_DIRECTORY))
        except FileNotFoundError:
            return False
        return True

    def read(self, path: Path, *, limit: int) -> bytes:
        """The content of a small file; FileNotFoundError if there is none, ValueError if it is over `limit` bytes."""
        return self.read_with_stat(path, limit=limit)[0]

    def read_with_stat(self, path: Path, *, limit: int) -> tuple[bytes, os.stat_result]:
        """As `read`, and what the file was when it was opened."""
        descriptor = self.open(path)
        try:
            found = os.fstat(descriptor)
            if not stat_modes.S_ISREG(found.st_mode):
                raise FileNotFoundError(errno.ENOENT, "not a regular file", str(path))
            content = _read_up_to(descriptor, limit + 1)
        finally:
            os.close(descriptor)
        if len(content) > limit:
            raise ValueError(f"larger than {limit} bytes")
        return content, found

    def names(self, folder: Path) -> list[str]:
        """Names of the folders in a folder, in no order; empty if it does not exist."""
        with self._listed(folder) as entries:
            return self._folders(folder, entries)

    def entries(self, folder: Path) -> list[os.DirEntry[str]]:
        """What lies in a folder; their `path` means nothing."""
        with self._listed(folder) as entries:
            return list(entries)

    @contextlib.contextmanager
    def _listed(self, folder: Path) -> Iterator[Iterator[os.DirEntry[str]]]:
        """What lies in a folder, one after the other: a list of a hundred thousand would take tens of MiB."""
        try:
            descriptor = self.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            yield iter(())
            return
        try:
            with os.scandir(descriptor) as entries:
                yield entries
        finally:
            os.close(descriptor)

    def stats(self, folder: Path, leaf: str) -> Iterator[tuple[str, os.stat_result]]:
        """Each folder in a folder that has a regular file of this name in it, with that file's stat, in no order."""
        try:
            descriptor = self.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            return
        try:
            with os.scandir(descriptor) as entries:
                names = self._folders(folder, entries)
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    found = os.stat(f"{name}/{leaf}", dir_fd=descriptor, follow_symlinks=False)
                    if stat_modes.S_ISREG(found.st_mode):
                        yield name, found
                    elif stat_modes.S_ISLNK(found.st_mode):
                        self._note(folder / name / leaf)
        finally:
            os.close(descriptor)

    def _folders(self, folder: Path, entries: Iterator[os.DirEntry[str]]) -> list[str]:
        names = []
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                names.append(entry.name)
            elif entry.is_symlink():
                self._note(folder / entry.name)
        return names

    def _note(self, path: Path) -> None:
        link = next((str(place) for place in (*reversed(path.parents), path) if place.is_symlink()), None)
        if link is not None and link not in self._detours and len(self._detours) < _MOST_DETOURS:
            self._detours[link] = None
            log.warning("%s is a symbolic link, and nothing behind it is served: see `registry check`", link)

    def write(self, path: Path, content: bytes, *, behind: Path | None = None) -> None:
        """Creates or replaces a file in one step: afterwards it is on disk, or the old state is.

        What lies in the folder `behind` is on disk before the file is in its place.
        """
        self._with_folder(path, lambda: self._replace(path, content, behind))
        self.sync_folders(path.parent)

    def publish(self, source: Path, path: Path) -> None:
        """Moves a file, whose content is on disk already, to its place: durable when this returns."""
        self.move(source, path)
        self.sync_folders(path.parent)

    def move(self, source: Path, path: Path) -> None:
        """As `publish`, but durable only after `sync_folders`."""
        self._with_folder(path, lambda: source.rename(path))

    def make_durable(self, path: Path) -> None:
        """Makes a file that is there already survive a power cut, whoever wrote it."""
        descriptor = self.open(path)
        try:
            sync_data(descriptor)
        finally:
            os.close(descriptor)
        self.sync_folders(path.parent)

    def remove(self, path: Path) -> None:
        """Removes a file durably, and its folder if nothing else lies in it; FileNotFoundError if it is not there."""
        path.unlink()
        sync_folder(path.parent)
        with contextlib.suppress(OSError):
            path.parent.rmdir()

    def make_folder(self, folder: Path) -> None:
        """Makes a folder and those above it; durable only after `sync_folders`."""
        for _ in range(_TRIES):
            # Not there: someone removed it as empty at this moment, or a planted link leads elsewhere.
            with contextlib.suppress(FileNotFoundError):
                folder.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
                return os.close(self.open(folder, os.O_RDONLY | os.O_DIRECTORY))
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder))

    def sync_folders(self, folder: Path) -> None:
        """Makes the entries of a folder durable, and the folder itself."""
        while True:
            sync_folder(folder)
            if folder in self._tops or folder == folder.parent:
                return
            folder = folder.parent

    def _replace(self, path: Path, content: bytes, behind: Path | None) -> None:
        draft = self._drafts / str(uuid.uuid4())
        try:
            self._write_draft(draft, content)
            if behind is not None:
                self.sync_folders(behind)  # after the draft's content: one journal commit serves both
            draft.rename(path)
        except BaseException:
            with contextlib.suppress(OSError):
                draft.unlink()
            raise

    def _write_draft(self, draft: Path, content: bytes) -> None:
        try:
            write_new(draft, content)
        except FileNotFoundError:  # somebody tidied up
            self._drafts.mkdir(FOLDER_MODE, exist_ok=True)
            write_new(draft, content)

    def _with_folder(self, path: Path, place: Callable[[], object]) -> None:
        """Places a file in a folder that others may remove, as long as it is empty, at any moment."""
        for remaining in reversed(range(_TRIES)):
            self.make_folder(path.parent)
            try:
                place()
                break
            except FileNotFoundError:
                if not remaining:
                    raise


def _read_up_to(descriptor: int, size: int) -> bytes:
    """The first bytes of a file; a short read of a regular file is its end."""
    content = os.read(descriptor, min(size, _READ))
    if len(content) < _READ:
        return content
    pieces = [content]
    while size > sum(map(len, pieces)) and (piece := os.read(descriptor, _READ)):
        pieces.append(piece)
    return b"".join(pieces)[:size]


def write_new(path: Path, content: bytes) -> None:
    """Makes a file with this content on disk; its directory entry is not yet durable."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, LINK_MODE)
    try:
        write_all(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, content: bytes | memoryview) -> None:
    """Writes everything: a single write may take less, near a full disk for example."""
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


class LostWriteError(OSError):
    """An fsync failed: what the file holds is unknown from here on, and a second fsync would lie."""


def sync_data(descriptor: int) -> None:
    """Fsync of a file's content and size; raises LostWriteError."""
    try:
        os.fdatasync(descriptor)
    except OSError as error:
        raise LostWriteError(*error.args) from error


def sync_folder(folder: Path) -> None:
    """Fsync of a directory; a directory that is gone needs none."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
