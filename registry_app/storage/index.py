"""What is costly to find out from the tree, kept in SQLite for the next start and for the other workers.

Nothing in it is the truth. A row is either a fact about a digest, which never changes, or it carries the version of
the folder it was read from and counts only while the folder still has that version. So the file may be old, emptied,
deleted or damaged at any time: what it does not tell is read from the tree. No push writes to it.

Where the file can't be used (a full or read-only disk, a file of another user), each process has an index in memory.
"""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import threading
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from registry_app.storage.listings import Version

log = logging.getLogger("registry.index")

SCHEMA = 1
_BUSY_SECONDS = 2.0
_TRIED_AGAIN_AFTER = 60.0  # seconds
_RESTS_AFTER = 2.0  # seconds
_TABLES = (
    "CREATE TABLE folder (path TEXT PRIMARY KEY, version TEXT NOT NULL, names TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE known (path TEXT PRIMARY KEY, version TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE manifest (digest TEXT PRIMARY KEY, subject TEXT, descriptor TEXT) WITHOUT ROWID",
    "CREATE INDEX referrer ON manifest (subject) WHERE subject IS NOT NULL",
    "CREATE TABLE state (name TEXT PRIMARY KEY, value REAL NOT NULL) WITHOUT ROWID",
    f"PRAGMA user_version = {SCHEMA}",
)
# Somebody else writes: nothing is wrong with the file.
_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
# The disk or the rights are wrong, not the file.
_UNUSABLE = frozenset({
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_AUTH, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_NOLFS, sqlite3.SQLITE_PROTOCOL,
})  # fmt: skip

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Fact:
    """What the index keeps of a manifest: its descriptor, as JSON, only if it has a subject."""

    digest: str
    subject: str | None = None
    descriptor: str | None = None


Stand = tuple[int, int]
"""What changes when an index may know less than it did: which opened file it is, and how often that was emptied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexState:
    """How the index stands. `generation` grows when all that is remembered is to be forgotten.

    `reconciled`: seconds since 1970 of the last comparison with the whole tree, which took `seconds`; 0 if never.
    `weeded`: when it was last looked whether the manifests that it knows still exist.
    """

    dirty: bool = True
    generation: int = 0
    reconciled: float = 0.0
    seconds: float = 0.0
    repositories: int = 0
    weeded: float = 0.0
    trouble: str | None = None


class Index:
    """The index of one store; every method gives the empty answer where the index can't tell."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None  # None: in memory
        self._file_after = 0.0
        self._trouble: str | None = None
        self._opened = 0
        self._asked = float("-inf")

    @property
    def size(self) -> int:
        """Bytes of its file; 0 if there is none."""
        with suppress(OSError):
            return self._path.stat().st_size
        return 0

    def why_incomplete(self) -> str | None:
        """Why lists may take longer than they should, for people; None if there is no reason."""
        state = self.state()
        if state.trouble is not None:
            return f"{state.trouble}: lists are read from the tree after each start"
        return "being compared with the tree: lists are read from it until then" if state.dirty else None

    def stand(self) -> Stand:
        """By which to notice that it was deleted or emptied."""
        query = "SELECT value FROM state WHERE name = 'generation'"
        row = self._ask(lambda db: db.execute(query).fetchone(), None)
        return self._opened, int(row[0]) if row else 0

    def referrers(self, subject: str) -> list[Fact] | None:
        """The manifests, of all repositories, that have this subject; None if it can't tell now."""
        query = "SELECT digest, subject, descriptor FROM manifest WHERE subject = ?"
        self._asked = self._clock()
        return self._ask(lambda db: [Fact(*row) for row in db.execute(query, (subject,))], None)

    def unknown(self, digests: Iterable[str]) -> list[str]:
        """Those manifests of which it holds no fact."""
        wanted = list(digests)
        query = "SELECT value FROM json_each(?) WHERE value NOT IN (SELECT digest FROM manifest)"
        return self._ask(lambda db: [row[0] for row in db.execute(query, (json.dumps(wanted),))], wanted)

    def add(self, facts: Sequence[Fact]) -> bool:
        """Keeps facts about manifests; whether it could."""
        rows = [(fact.digest, fact.subject, fact.descriptor) for fact in facts]
        return self._change(lambda db: db.executemany("INSERT OR REPLACE INTO manifest VALUES (?, ?, ?)", rows))

    def is_known(self, folder: str, version: Version) -> bool:
        """Whether it holds a fact of each manifest in this folder of revisions, as long as that has this version."""
        query = "SELECT 1 FROM known WHERE path = ? AND version = ?"
        return self._ask(lambda db: db.execute(query, (folder, _text(version))).fetchone() is not None, otherwise=False)

    def set_known(self, folder: str, version: Version) -> None:
        """Keeps that it holds a fact of each manifest in this folder."""
        row = (folder, _text(version))
        self._change(lambda db: db.execute("INSERT OR REPLACE INTO known VALUES (?, ?)", row))

    def folders(self) -> list[tuple[str, Version, tuple[str, ...]]]:
        """Every folder it remembers, with the version and the names it had."""
        query = "SELECT path, version, names FROM folder"
        rows: list[tuple[str, str, str]] = self._ask(lambda db: db.execute(query).fetchall(), [])
        return [(path, _version(version), tuple(names.split("/"))) for path, version, names in rows]

    def keep_folders(self, folders: Iterable[tuple[str, Version, tuple[str, ...]]]) -> None:
        """Remembers these folders and no others; writes only what differs."""
        now = {path: (_text(version), "/".join(names)) for path, version, names in folders if names}

        def change(db: sqlite3.Connection) -> None:
            kept = dict(db.execute("SELECT path, version FROM folder"))
            gone = [(path,) for path in kept if path not in now]
            # What is not ASCII is no name of ours, and may be no text at all.
            new = [(path, v, names) for path, (v, names) in now.items() if kept.get(path) != v and names.isascii()]
            db.executemany("DELETE FROM folder WHERE path = ?", gone)
            db.executemany("INSERT OR REPLACE INTO folder VALUES (?, ?, ?)", new)

        self._change(change)

    def state(self) -> IndexState:
        """How it stands."""
        found: dict[str, float] = self._ask(lambda db: dict(db.execute("SELECT name, value FROM state")), {})
        return IndexState(
            dirty=not found.get("reconciled") or bool(found.get("dirty")),
            generation=int(found.get("generation", 0)),
            reconciled=found.get("reconciled", 0.0),
            seconds=found.get("seconds", 0.0),
            repositories=int(found.get("repositories", 0)),
            weeded=found.get("weeded", 0.0),
            trouble=self._trouble,
        )

    def set_state(self, **values: float) -> None:
        """Keeps these of the state's values."""
        self._change(lambda db: db.executemany("INSERT OR REPLACE INTO state VALUES (?, ?)", values.items()))

    def forget(self) -> None:
        """Empties it and marks it dirty; every process forgets what it remembered."""

        def change(db: sqlite3.Connection) -> None:
            for table in ("folder", "known", "manifest"):
                db.execute(f"DELETE FROM {table}")  # noqa: S608 - names of our own
            db.execute("INSERT OR IGNORE INTO state VALUES ('generation', 0)")
            db.execute("UPDATE state SET value = value + 1 WHERE name = 'generation'")
            db.execute("INSERT OR REPLACE INTO state VALUES ('dirty', 1)")

        self._change(change)

    def digests(self) -> list[str]:
        """Every manifest it knows."""
        return self._ask(lambda db: [row[0] for row in db.execute("SELECT digest FROM manifest")], [])

    def count(self) -> tuple[int, int]:
        """How many manifests it knows, and how many of them refer to another."""
        query = "SELECT count(*), count(subject) FROM manifest"
        return self._ask(lambda db: tuple(db.execute(query).fetchone()), (0, 0))

    def close(self) -> None:
        """Lets go of the file; the next question opens it again."""
        with self._lock:
            self._drop()

    def rest(self) -> None:
        """Lets go of the file if nobody asks: an open one keeps a person from making the disk read-only."""
        with self._lock:
            if self._file is not None and self._clock() - self._asked >= _RESTS_AFTER:
                self._drop()

    def fingerprint(self) -> tuple[object, ...]:
        """What changes when anybody writes to the file; costs two looks at the disk."""
        log = self._path.with_name(f"{self._path.name}-wal")
        # An empty log comes and goes with each reader.
        return tuple(
            (found.st_ino, found.st_size, found.st_mtime_ns)
            for found in map(_stat, (self._path, log))
            if found and found.st_size
        )

    def _change(self, change: Callable[[sqlite3.Connection], object]) -> bool:
        return self._ask(lambda db: _in_transaction(db, change), otherwise=False)

    def _ask(self, work: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        with self._lock:
            try:
                return work(self._current())
            except sqlite3.Error as error:
                self._give_up(error)
                return otherwise

    def _current(self) -> sqlite3.Connection:
        """The database: opened again where the file was replaced or deleted, in memory while it can't be used."""
        if self._database is not None and self._file is not None:
            if self._file == _identity(self._path):
                return self._database
            self._drop()
        if self._clock() >= self._file_after:
            self._open()
        if self._database is None:
            self._opened += 1
            self._database = _prepared(sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None))
        return self._database

    def _open(self) -> None:
        """Opens the file; what there is in memory stays where that can't be done."""
        try:
            database = _open_file(self._path)
        except OSError as error:
            self._fall_back(error.strerror or str(error))
        except sqlite3.Error as error:
            if _code(error) not in _UNUSABLE:
                raise
            self._fall_back(str(error))
        else:
            self._drop()
            self._opened += 1
            self._database, self._file, self._trouble = database, _identity(self._path), None

    def _give_up(self, error: sqlite3.Error) -> None:
        code = _code(error)
        if code in _BUSY:
            return
        self._drop()
        if code in _UNUSABLE:
            self._fall_back(str(error))
            return
        log.warning("the index is damaged (%s): thrown away, made anew from the tree", error)
        try:
            discard(self._path)
        except OSError as obstacle:
            self._fall_back(obstacle.strerror or str(obstacle))

    def _fall_back(self, reason: str) -> None:
        if self._trouble is None:
            log.warning("the index %s can't be used (%s): kept in memory", self._path.name, reason)
        self._trouble = f"the index file can't be used: {reason}"
        self._file_after = self._clock() + _TRIED_AGAIN_AFTER

    def _drop(self) -> None:
        if self._database is not None:
            with suppress(sqlite3.Error):
                self._database.close()
        self._database, self._file = None, None


def discard(path: Path) -> None:
    """Deletes an index; whoever has it open notices at the next question."""
    # The main file goes last: SQLite throws a log away that it finds beside an empty one.
    for suffix in ("-shm", "-wal", ""):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _open_file(path: Path) -> sqlite3.Connection:
    # Others have no business in it; what SQLite puts beside it gets the same mode.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
    return _prepared(sqlite3.connect(path, timeout=_BUSY_SECONDS, check_same_thread=False, isolation_level=None))


def _prepared(database: sqlite3.Connection) -> sqlite3.Connection:
    try:
        # NORMAL: after a power cut the last rows may be missing, but never some in the middle.
        database.execute("PRAGMA journal_mode = WAL").close()
        database.execute("PRAGMA synchronous = NORMAL").close()
        database.execute("PRAGMA temp_store = MEMORY").close()  # a container may have no place for temporary files
        if _schema(database) == 0:
            _in_transaction(database, _make_tables)
        _require_schema(database)
    except BaseException:
        database.close()
        raise
    return database


def _require_schema(database: sqlite3.Connection) -> None:
    found = _schema(database)
    if found != SCHEMA:
        raise sqlite3.DatabaseError(f"its schema is {found}, not {SCHEMA}")


def _make_tables(database: sqlite3.Connection) -> None:
    if _schema(database) == 0:  # else another process made them at this moment
        for statement in _TABLES:
            database.execute(statement)


def _in_transaction(database: sqlite3.Connection, change: Callable[[sqlite3.Connection], object]) -> bool:
    database.execute("BEGIN IMMEDIATE")
    try:
        change(database)
        database.execute("COMMIT")
        return True
    finally:
        if database.in_transaction:
            with suppress(sqlite3.Error):
                database.execute("ROLLBACK")


def _schema(database: sqlite3.Connection) -> int:
    with closing(database.execute("PRAGMA user_version")) as found:
        return int(found.fetchone()[0])


def _code(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)) & 0xFF


def _identity(path: Path) -> tuple[int, int] | None:
    found = _stat(path)
    return None if found is None else (found.st_dev, found.st_ino)


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


def _text(version: Version) -> str:
    return " ".join(map(str, version))


def _version(text: str) -> Version:
    modified, inode, device = map(int, text.split())
    return modified, inode, device
