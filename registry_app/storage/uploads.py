"""Blob uploads: a file that grows, hashed as it grows, until it becomes a blob.

Any worker process can go on with an upload: the file is the state. The running hash stays in the memory of the worker
that took the last bytes in; beside the file lies the digest of all of it, so that another worker can finish without
reading it again. Only one that must append to bytes it has not seen reads them, while it takes the new ones in.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import time
import uuid
from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from registry_app.byte_locks import try_lock
from registry_app.errors import ErrorCode, RegistryError
from registry_app.oci.digests import CANONICAL, Digest
from registry_app.storage.failures import failures_told, is_full
from registry_app.storage.files import LINK_MODE, LostWriteError, sync_data, write_all
from registry_app.storage.receiving import CHUNK, ByteStream, RunningHash, receive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from registry_app.oci.names import Repository
    from registry_app.storage.blobs import Blobs, BlobStat, Contents
    from registry_app.storage.files import Files
    from registry_app.storage.layout import Layout
    from registry_app.storage.locks import Locks
    from registry_app.storage.space import Space

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MOST_HASHES = 1024
_PATIENCE = 10.0  # seconds: a client that lost its connection comes back before the server has noticed
_SMALL_FILE = 4096


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload; `offset` is the number of bytes it has."""

    id: str
    offset: int


@dataclass(slots=True)
class _Open:
    """An upload's file under its lock."""

    id: str
    folder: Path
    data: int
    size: int
    algorithm: str


class Uploads:
    """The uploads of repositories; each is known only under its own repository, and to who started it."""

    def __init__(
        self,
        layout: Layout,
        files: Files,
        contents: Contents,
        *,
        blobs: Blobs,
        locks: Locks,
        space: Space,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._layout = layout
        self._files = files
        self._contents = contents
        self._blobs = blobs
        self._locks = locks
        self._space = space
        self._clock = clock
        self._hashes: OrderedDict[str, RunningHash] = OrderedDict()

    def start(self, repository: Repository, owner: str | None = None, *, algorithm: str = CANONICAL) -> Upload:
        """A new, empty upload; `algorithm` is that of the digest it will be finished with, if known."""
        with failures_told():
            self._space.require_room()
            upload_id = str(uuid.uuid4())
            folder = self._layout.upload(repository, upload_id)
            self._files.make_folder(folder)
            started = datetime.fromtimestamp(self._clock(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            _write_note(folder / "startedat", started)
            if owner is not None or algorithm != CANONICAL:
                _write_note(folder / "upload.json", json.dumps({"owner": owner, "algorithm": algorithm}))
            _write_note(folder / "data", "")  # last: an upload exists with its data
            self._remember(upload_id, RunningHash.start(algorithm))
            return Upload(upload_id, 0)

    def stat(self, repository: Repository, upload_id: str, owner: str | None = None) -> Upload:
        """How far an upload is; raises BLOB_UPLOAD_UNKNOWN."""
        with failures_told():
            folder = self._folder(repository, upload_id, owner)[0]
            found = self._files.stat(folder / "data")
            if found is None:
                raise _unknown(upload_id)
            return Upload(upload_id, found.st_size)

    def append(
        self,
        repository: Repository,
        upload_id: str,
        stream: ByteStream,
        *,
        owner: str | None = None,
        offset: int | None = None,
        length: int | None = None,
    ) -> Upload:
        """The upload with the body at its end, on disk.

        Raises RANGE_INVALID if `offset` is not where it ends, SIZE_INVALID if the body has not `length` bytes,
        STORAGE_FULL; the upload is then as before. A body that breaks off leaves what has arrived, for the client to
        resume.
        """
        with failures_told(), self._opened(repository, upload_id, owner) as upload:
            self._require_end(upload, offset)
            if self._receive(upload, stream, length=length):
                sync_data(upload.data)
                self._note_received(upload)
            return Upload(upload.id, upload.size)

    def finish(
        self,
        repository: Repository,
        upload_id: str,
        digest: Digest,
        stream: ByteStream | None = None,
        *,
        owner: str | None = None,
        offset: int | None = None,
        length: int | None = None,
    ) -> BlobStat:
        """The blob that the upload became, after a last body if there is one: durable when this returns.

        Raises DIGEST_INVALID, after which the upload is gone, and what `append` raises.
        """
        with failures_told(), self._opened(repository, upload_id, owner, algorithm=digest.algorithm) as upload:
            self._require_end(upload, offset)
            if stream is not None:
                self._receive(upload, stream, length=length)
            if self._digest(upload, digest.algorithm) != digest:
                self._discard(upload)
                raise RegistryError(ErrorCode.DIGEST_INVALID, digest=str(digest))
            os.fchmod(upload.data, LINK_MODE)
            sync_data(upload.data)
            with self._locks.using(repository, [digest]):
                blob = self._contents.move(upload.folder / "data", digest)
                self._blobs.link(repository, digest)
            self._discard(upload)
            return blob

    def cancel(self, repository: Repository, upload_id: str, owner: str | None = None) -> None:
        """Forgets an upload; raises BLOB_UPLOAD_UNKNOWN."""
        with failures_told():
            folder = self._folder(repository, upload_id, owner)[0]
            if not self._files.exists(folder / "data"):
                raise _unknown(upload_id)
            self._hashes.pop(upload_id, None)
            shutil.rmtree(folder, ignore_errors=True)

    def _folder(self, repository: Repository, upload_id: str, owner: str | None) -> tuple[Path, str]:
        """The folder and digest algorithm of an upload that `owner` may touch."""
        if not _ID.fullmatch(upload_id):
            raise _unknown(upload_id)
        folder = self._layout.upload(repository, upload_id)
        try:
            note = json.loads(self._files.read(folder / "upload.json", limit=_SMALL_FILE))
            allowed, algorithm = note["owner"] in (None, owner), str(note["algorithm"])
        except FileNotFoundError:
            return folder, CANONICAL
        except (ValueError, KeyError, TypeError):
            raise _unknown(upload_id) from None
        if not allowed:
            raise _unknown(upload_id)
        return folder, algorithm

    @contextmanager
    def _opened(
        self, repository: Repository, upload_id: str, owner: str | None, *, algorithm: str | None = None
    ) -> Iterator[_Open]:
        """The upload, which nobody else appends to until the end of the block."""
        folder, own_algorithm = self._folder(repository, upload_id, owner)
        try:
            data = self._files.open(folder / "data", os.O_RDWR)
        except FileNotFoundError:
            raise _unknown(upload_id) from None
        try:
            _lock(data)
            self._require_still(folder / "data", data, upload_id)
            size = os.fstat(data).st_size
            upload = _Open(upload_id, folder, data, size, own_algorithm if size or not algorithm else algorithm)
            try:
                yield upload
            except LostWriteError:
                self._discard(upload)
                raise
            except FileNotFoundError:  # cancelled meanwhile
                raise _unknown(upload_id) from None
        finally:
            os.close(data)

    def _require_still(self, path: Path, data: int, upload_id: str) -> None:
        """What was waited for may have become a blob meanwhile, which nobody may write to."""
        found = self._files.stat(path)
        if found is None or not os.path.samestat(found, os.fstat(data)):
            raise _unknown(upload_id)

    def _require_end(self, upload: _Open, offset: int | None) -> None:
        if offset is not None and offset != upload.size:
            range_header = f"0-{max(upload.size - 1, 0)}"
            raise RegistryError(ErrorCode.RANGE_INVALID, headers={"Range": range_header}, offset=upload.size)

    def _receive(self, upload: _Open, stream: ByteStream, *, length: int | None) -> bool:
        """Takes a body in; False for an empty one, which says nothing about what the upload has."""
        self._space.require_room(length or 0)
        first = stream.read(CHUNK)
        if not first and not length:
            return False  # the usual end of an upload: nothing new, and nothing to read again
        running = self._running(upload, upload.algorithm)
        before = running.copy()
        try:
            receive(first, stream, upload.data, running=running, require_room=self._space.require_room)
            _require_length(running.offset - before.offset, length)
        except (OSError, RegistryError) as error:
            if _takes_nothing(error):
                os.ftruncate(upload.data, before.offset)
                running = before
            raise
        finally:
            upload.size = running.offset
            self._remember(upload.id, running)
        return True

    def _running(self, upload: _Open, algorithm: str) -> RunningHash:
        """The hash of all that the upload has; reads what this worker has not seen."""
        running = self._hashes.pop(upload.id, None)
        if running is None or running.algorithm != algorithm or running.offset > upload.size:
            running = RunningHash.start(algorithm)
        running.catch_up(upload.data, upload.size)
        return running

    def _digest(self, upload: _Open, algorithm: str) -> Digest:
        """The digest of all that the upload has, without reading it if any worker knows it."""
        known = self._hashes.get(upload.id)
        if known and known.offset == upload.size and known.algorithm == algorithm:
            return known.digest
        return self._noted(upload, algorithm) or self._running(upload, algorithm).digest

    def _note_received(self, upload: _Open) -> None:
        """Tells other workers the digest of what is on disk now."""
        note = f"{self._running_digest(upload)} {upload.size} {_boot()}"
        temporary = upload.folder / f"received.{uuid.uuid4()}.tmp"
        _write_note(temporary, note)
        temporary.rename(upload.folder / "received")

    def _running_digest(self, upload: _Open) -> Digest:
        return self._hashes[upload.id].digest

    def _noted(self, upload: _Open, algorithm: str) -> Digest | None:
        try:
            text, size, boot = self._files.read(upload.folder / "received", limit=_SMALL_FILE).decode().split()
            digest = Digest.parse(text)
        except (FileNotFoundError, ValueError, RegistryError):
            return None
        # After a power cut the note may be newer than the data: then nothing is taken on trust.
        known = size == str(upload.size) and boot == _boot() and digest.algorithm == algorithm
        return digest if known else None

    def _remember(self, upload_id: str, running: RunningHash) -> None:
        self._hashes[upload_id] = running
        while len(self._hashes) > _MOST_HASHES:
            self._hashes.popitem(last=False)

    def _discard(self, upload: _Open) -> None:
        self._hashes.pop(upload.id, None)
        shutil.rmtree(upload.folder, ignore_errors=True)


def _require_length(received: int, length: int | None) -> None:
    if length is not None and received != length:
        raise RegistryError(ErrorCode.SIZE_INVALID)


def _takes_nothing(error: OSError | RegistryError) -> bool:
    """Whether a body is of no use as far as it came. On a full disk its bytes would stand in the way of all others."""
    if isinstance(error, OSError):
        return is_full(error)
    return error.code in (ErrorCode.SIZE_INVALID, ErrorCode.STORAGE_FULL)


def _write_note(path: Path, text: str) -> None:
    """Makes a small file that need not survive a power cut."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, LINK_MODE)
    try:
        write_all(descriptor, text.encode())
    finally:
        os.close(descriptor)


def _lock(data: int) -> None:
    end = time.monotonic() + _PATIENCE
    while not try_lock(data, fcntl.F_WRLCK, 0):
        if time.monotonic() > end:
            message = "another request is writing to this upload"
            raise RegistryError(ErrorCode.UNAVAILABLE, message=message, headers={"Retry-After": "5"})
        time.sleep(0.02)


def _unknown(upload_id: str) -> RegistryError:
    return RegistryError(ErrorCode.BLOB_UPLOAD_UNKNOWN, upload=upload_id[:100])


def _boot() -> str:
    with open("/proc/sys/kernel/random/boot_id") as file:  # noqa: PTH123 - a file of the kernel
        return file.read().strip()
