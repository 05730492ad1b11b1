"""What is costly to find out from the tree, kept in SQLite for the next start and for the other workers.

Nothing in it is the truth. A row is either a fact about a digest, which never changes, or it carries the version of
the folder it was read from and counts only while the folder still has that version. So the file may be old, emptied,
deleted or damaged at any time: what it does not tell is read from the tree. No push writes to it.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry_app.storage.index_database import IndexDatabase

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from registry_app.storage.listings import Version

MOST_FACTS = 500
"""In one answer, and best in one change."""


@dataclass(frozen=True, slots=True)
class Fact:
    """What the index keeps of a manifest. `descriptor`, as JSON, only if it has a subject and the text is small."""

    digest: str
    subject: str | None = None
    artifact_type: str | None = None
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

    def __init__(self, path: Path) -> None:
        self._database = IndexDatabase(path)

    @property
    def size(self) -> int:
        """Bytes of its file; 0 if there is none."""
        with suppress(OSError):
            return self._database.path.stat().st_size
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
        row = self._database.ask(lambda db: db.execute(query).fetchone(), None)
        return self._database.opened, int(row[0]) if row else 0

    def referrers(self, subject: str, *, artifact_type: str | None, after: str) -> list[Fact] | None:
        """Manifests, of all repositories, that have this subject, sorted by digest; None if it can't tell now.

        The first `MOST_FACTS` after this digest, of one artifact type if that is given.
        """
        query = (
            "SELECT digest, subject, artifact_type, descriptor FROM manifest"
            " WHERE subject = ? AND digest > ? AND (? IS NULL OR artifact_type = ?) ORDER BY digest LIMIT ?"
        )
        values = (subject, after, artifact_type, artifact_type, MOST_FACTS)
        self._database.keep_open()
        return self._database.ask(lambda db: [Fact(*row) for row in db.execute(query, values)], None)

    def unknown(self, digests: Iterable[str]) -> list[str]:
        """Those manifests of which it holds no fact."""
        wanted = list(digests)
        query = "SELECT value FROM json_each(?) WHERE value NOT IN (SELECT digest FROM manifest)"
        return self._database.ask(lambda db: [row[0] for row in db.execute(query, (json.dumps(wanted),))], wanted)

    def add(self, facts: Sequence[Fact]) -> bool:
        """Keeps facts about manifests; whether it could."""
        rows = [(fact.digest, fact.subject, fact.artifact_type, fact.descriptor) for fact in facts]
        return self._database.change(
            lambda db: db.executemany("INSERT OR REPLACE INTO manifest VALUES (?, ?, ?, ?)", rows)
        )

    def is_known(self, folder: str, version: Version) -> bool:
        """Whether it holds a fact of each manifest in this folder of revisions, as long as that has this version."""
        query = "SELECT 1 FROM known WHERE path = ? AND version = ?"
        return self._database.ask(
            lambda db: db.execute(query, (folder, _text(version))).fetchone() is not None, otherwise=False
        )

    def set_known(self, folder: str, version: Version) -> None:
        """Keeps that it holds a fact of each manifest in this folder."""
        row = (folder, _text(version))
        self._database.change(lambda db: db.execute("INSERT OR REPLACE INTO known VALUES (?, ?)", row))

    def folders(self) -> list[tuple[str, Version, tuple[str, ...]]]:
        """Every folder it remembers, with the version and the names it had."""
        query = "SELECT path, version, names FROM folder"
        rows: list[tuple[str, str, str]] = self._database.ask(lambda db: db.execute(query).fetchall(), [])
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

        self._database.change(change)

    def state(self) -> IndexState:
        """How it stands."""
        found: dict[str, float] = self._database.ask(lambda db: dict(db.execute("SELECT name, value FROM state")), {})
        return IndexState(
            dirty=not found.get("reconciled") or bool(found.get("dirty")),
            generation=int(found.get("generation", 0)),
            reconciled=found.get("reconciled", 0.0),
            seconds=found.get("seconds", 0.0),
            repositories=int(found.get("repositories", 0)),
            weeded=found.get("weeded", 0.0),
            trouble=self._database.trouble,
        )

    def set_state(self, **values: float) -> None:
        """Keeps these of the state's values."""
        self._database.change(lambda db: db.executemany("INSERT OR REPLACE INTO state VALUES (?, ?)", values.items()))

    def forget(self) -> None:
        """Empties it and marks it dirty; every process forgets what it remembered."""

        def change(db: sqlite3.Connection) -> None:
            for table in ("folder", "known", "manifest"):
                db.execute(f"DELETE FROM {table}")  # noqa: S608 - names of our own
            db.execute("INSERT OR IGNORE INTO state VALUES ('generation', 0)")
            db.execute("UPDATE state SET value = value + 1 WHERE name = 'generation'")
            db.execute("INSERT OR REPLACE INTO state VALUES ('dirty', 1)")

        self._database.change(change)

    def digests(self) -> list[str]:
        """Every manifest it knows."""
        return self._database.ask(lambda db: [row[0] for row in db.execute("SELECT digest FROM manifest")], [])

    def count(self) -> tuple[int, int]:
        """How many manifests it knows, and how many of them refer to another."""
        query = "SELECT count(*), count(subject) FROM manifest"
        return self._database.ask(lambda db: tuple(db.execute(query).fetchone()), (0, 0))

    def close(self) -> None:
        """Lets go of the file; the next question opens it again."""
        self._database.close()

    def rest(self) -> None:
        """Lets go of the file if nobody asks: an open one keeps a person from making the disk read-only."""
        self._database.rest()

    def fingerprint(self) -> tuple[object, ...]:
        """What changes when anybody writes to the file; costs two looks at the disk."""
        return self._database.fingerprint()


def _text(version: Version) -> str:
    return " ".join(map(str, version))


def _version(text: str) -> Version:
    changed, modified, inode, device = map(int, text.split())
    return changed, modified, inode, device
