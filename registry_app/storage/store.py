"""Builds the storage of one root folder."""

from __future__ import annotations

import contextlib
import errno
import os
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry_app.errors import RegistryError
from registry_app.oci.digests import ALGORITHMS
from registry_app.storage.blobs import Blobs, Contents
from registry_app.storage.epochs import Epochs
from registry_app.storage.failures import failures_told
from registry_app.storage.file_clock import FileClock
from registry_app.storage.files import FOLDER_MODE, Files, sync_folder, write_new
from registry_app.storage.index import Index
from registry_app.storage.layout import Layout
from registry_app.storage.listings import Listings
from registry_app.storage.locks import Locks
from registry_app.storage.manifests import Manifests
from registry_app.storage.referrers import Referrers
from registry_app.storage.repositories import Repositories
from registry_app.storage.rights import why_barred
from registry_app.storage.space import Space
from registry_app.storage.survey import REMEDY, survey
from registry_app.storage.tags import Tags
from registry_app.storage.trash import Trash
from registry_app.storage.uploads import Uploads

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Readiness is asked for every few seconds: the top folders tell of a tree that was copied or made by another user.
_LOOKED_INTO, _LOOKED_AT = 16, 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """Everything a registry keeps; safe to use from several threads, and from several processes on one folder."""

    layout: Layout
    files: Files
    locks: Locks
    epochs: Epochs
    trash: Trash
    contents: Contents
    blobs: Blobs
    uploads: Uploads
    manifests: Manifests
    tags: Tags
    repositories: Repositories
    referrers: Referrers
    listings: Listings
    index: Index
    space: Space
    clock: Callable[[], float]

    @property
    def read_only(self) -> bool:
        """Whether the switch is on: every worker process sees its marker file at once. Raises UNAVAILABLE."""
        with failures_told():
            try:
                os.stat(self.layout.read_only)  # noqa: PTH116 - as Path.exists, which hides or tells refusals by version
            except FileNotFoundError:
                return False
            return True

    def opened_first(self) -> float:
        """When the store was opened for the first time, in seconds since 1970."""
        return self.layout.locks.stat().st_mtime  # made then, and never written to

    def why_unreadable(self) -> str | None:
        """Why pulls can't be served, for people; None if they can."""
        try:
            for folder in (self.layout.blobs, self.layout.repositories):
                os.close(os.open(folder, os.O_RDONLY | os.O_DIRECTORY))
        except OSError as error:
            return f"the storage folder can't be read: {why_barred(folder) or error.strerror}"
        return None

    def why_unwritable(self) -> str | None:
        """Why pushes can't be taken, for people; None if they can."""
        try:
            return self._why_unwritable()
        except OSError as error:  # a disk that is away, or that reads nothing
            return f"the storage folder can't be used: {error.strerror}: {error.filename or self.layout.root}"
        except RegistryError as error:
            return f"the storage folder can't be used: {error.message}"

    def _why_unwritable(self) -> str | None:
        for hindrance in survey(self.layout, folders=_LOOKED_INTO, breadth=_LOOKED_AT):
            if not hindrance.is_link:
                return f"the storage folder can't be used: {hindrance}"
        if self.read_only:
            return "the registry is in read-only mode"
        if (short := self.space.why_short()) is not None:
            return f"the disk is full: {short}"
        probe = self.layout.drafts / str(uuid.uuid4())
        try:
            write_new(probe, b"")
            probe.unlink()
        except OSError as error:
            return f"the storage folder can't be written to: {error.strerror}"
        return None


def open_storage(root: Path, *, reserve_bytes: int = 0, clock: Callable[[], float] = time.time) -> Storage:
    """The storage in this folder, whose tree is made if it is new; OSError if the folder cannot be used."""
    layout = Layout(root)
    _make_tree(layout)
    files = Files(layout.blobs, layout.repositories, layout.own, drafts=layout.drafts)
    locks = Locks(layout.locks)
    trash = Trash(layout, files)
    space = Space(layout.tree, reserve_bytes=reserve_bytes)
    contents = Contents(layout, files, trash, clock=clock)
    blobs = Blobs(layout, files, contents, locks=locks, trash=trash)
    epochs = Epochs(layout, locks)
    epochs.prepare()
    file_clock = FileClock(layout.drafts)
    listings = Listings(files, age_of=file_clock.age_of)
    index = Index(layout.index)
    tags = Tags(layout, files, locks, listings=listings)
    manifests = Manifests(layout, files, contents, tags=tags, locks=locks, epochs=epochs, trash=trash, space=space)
    return Storage(
        layout=layout,
        files=files,
        locks=locks,
        epochs=epochs,
        trash=trash,
        contents=contents,
        blobs=blobs,
        uploads=Uploads(layout, files, contents, blobs=blobs, locks=locks, space=space, clock=clock),
        manifests=manifests,
        tags=tags,
        repositories=Repositories(layout, files, locks, trash=trash, listings=listings, clock=clock),
        # Names of manifests are many: they must not push those of repositories and tags out of memory.
        referrers=Referrers(layout, manifests, index, listings=Listings(files, age_of=file_clock.age_of)),
        listings=listings,
        index=index,
        space=space,
        clock=clock,
    )


def _make_tree(layout: Layout) -> None:
    """Makes what is missing of the top folders, durably; a store on a read-only disk opens if it is complete."""
    for top in (layout.blobs, layout.repositories, layout.own):
        if top.is_symlink():
            raise OSError(errno.ELOOP, f"a symbolic link, which is not followed: {REMEDY}", str(top))
        if not top.is_dir():
            top.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
            for folder in (top, *top.parents):
                sync_folder(folder)
                if folder == layout.root or not folder.is_relative_to(layout.root):
                    break
    if not layout.locks.exists():
        layout.locks.touch(0o600)
    if not layout.drafts.is_dir():
        layout.drafts.mkdir(FOLDER_MODE, exist_ok=True)
    for algorithm in ALGORITHMS:  # while there is room: damage may be found on a full disk
        with contextlib.suppress(OSError):
            (layout.quarantine / algorithm).mkdir(FOLDER_MODE, parents=True, exist_ok=True)
    if layout.drafts.stat().st_dev != layout.repositories.stat().st_dev:
        reason = f"this folder and {layout.tree} must lie on one file system: name the other's place as rootdirectory"
        raise OSError(errno.EXDEV, reason, str(layout.own))
