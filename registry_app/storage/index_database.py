"""The SQLite file of an index: made, opened again when it was replaced, thrown away when it is damaged, done without.

Where the file can't be used (a full or read-only disk, a file of another user), each process has a database in memory.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

log = logging.getLogger("registry.index")

SCHEMA = 3
_BUSY_SECONDS = 2.0
_TRIED_AGAIN_AFTER = 60.0  # seconds
_RESTS_AFTER = 2.0  # seconds
_TABLES = (
    "CREATE TABLE folder (path TEXT PRIMARY KEY, version TEXT NOT NULL, names TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE known (path TEXT PRIMARY KEY, version TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE manifest (digest TEXT PRIMARY KEY, subject TEXT, artifact_type TEXT, descriptor TEXT) WITHOUT ROWID",
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


class IndexDatabase:
    """The database at a path, safe among threads; opened by the first question, so that no fork inherits it.

    `opened` counts how often it became another one. `trouble` tells people why the file is not used, if so.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self.opened = 0
        self.trouble: str | None = None
        self._clock = clock
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None  # None: in memory
        self._file_after = 0.0
        self._wanted_until = float("-inf")

    def __del__(self) -> None:
        """Closes what is open when the store is let go of: Python 3.13 complains of a database that nobody closed."""
        self._drop()

    def keep_open(self) -> None:
        """Puts off the next rest: somebody asks."""
        self._wanted_until = self._clock() + _RESTS_AFTER

    def close(self) -> None:
        """Lets go of the file; the next question opens it again."""
        with self._lock:
            self._drop()

    def rest(self) -> None:
        """Lets go of the file if nobody asks: an open one keeps a person from making the disk read-only."""
        with self._lock:
            if self._file is not None and self._clock() >= self._wanted_until:
                self._drop()

    def fingerprint(self) -> tuple[object, ...]:
        """What changes when anybody writes to the file; costs two looks at the disk."""
        log = self.path.with_name(f"{self.path.name}-wal")
        # An empty log comes and goes with each reader.
        return tuple(
            (found.st_ino, found.st_size, found.st_mtime_ns)
            for found in map(_stat, (self.path, log))
            if found and found.st_size
        )

    def change(self, change: Callable[[sqlite3.Connection], object]) -> bool:
        """Makes a change in one transaction; whether it could."""
        return self.ask(lambda db: _in_transaction(db, change), otherwise=False)

    def ask(self, work: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        """What `work` gives; `otherwise` where the database can't tell, whatever the reason."""
        with self._lock:
            try:
                return work(self._current())
            except sqlite3.Error as error:
                self._give_up(error)
                return otherwise

    def _current(self) -> sqlite3.Connection:
        """The database: opened again where the file was replaced or deleted, in memory while it can't be used."""
        if self._database is not None and self._file is not None:
            if self._file == _identity(self.path):
                return self._database
            self._drop()
        if self._clock() >= self._file_after:
            self._open()
        if self._database is None:
            self.opened += 1
            self._database = _prepared(sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None))
        return self._database

    def _open(self) -> None:
        """Opens the file; what there is in memory stays where that can't be done."""
        try:
            database = _open_file(self.path)
        except OSError as error:
            self._fall_back(error.strerror or str(error))
        except sqlite3.Error as error:
            if _code(error) not in _UNUSABLE:
                raise
            self._fall_back(str(error))
        else:
            self._drop()
            self.opened += 1
            self._database, self._file, self.trouble = database, _identity(self.path), None

    def _give_up(self, error: sqlite3.Error) -> None:
        code = _code(error)
        if code in _BUSY:
            return
        self._drop()
        if code in _UNUSABLE:
            self._fall_back(str(error))
            return
        log.warning("the index is of no use (%s): thrown away, made anew from the tree", error)
        try:
            discard(self.path)
        except OSError as obstacle:
            self._fall_back(obstacle.strerror or str(obstacle))

    def _fall_back(self, reason: str) -> None:
        if self.trouble is None:
            log.warning("the index %s can't be used (%s): kept in memory", self.path.name, reason)
        self.trouble = f"the index file can't be used: {reason}"
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
