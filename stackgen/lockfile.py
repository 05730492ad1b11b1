"""What was written into a stack: by which version, and the hash of each file, so that edits are told from renders."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from registry_app import __version__
from stackgen.errors import StackgenError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stackgen.folder import StackFolder

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class LockEntry:
    """What we know of one path: the hash that we wrote there, and the one that we offered beside an edited file."""

    written: str | None = None
    offered: str | None = None


@dataclass(frozen=True, slots=True)
class Lock:
    """The lock file of a stack."""

    version: str = __version__
    entries: Mapping[str, LockEntry] = field(default_factory=dict)

    def entry(self, path: str) -> LockEntry:
        """What is known of a path; an empty entry for one that we never wrote."""
        return self.entries.get(path, LockEntry())


def digest(content: bytes) -> str:
    """The hash that the lock file holds."""
    return hashlib.sha256(content).hexdigest()


def parse_lock(text: str) -> Lock:
    """A lock from its JSON; ValueError when it is none."""
    data = json.loads(text)
    if not isinstance(data, dict) or data.get("format") != _FORMAT:
        raise ValueError("not a lock file of this format")
    entries = {path: LockEntry(one.get("sha256"), one.get("offered")) for path, one in data["files"].items()}
    return Lock(data["stackgen"], entries)


def format_lock(lock: Lock) -> str:
    """The JSON of a lock: sorted, one line a value, so that a version control shows what changed."""
    files = {
        path: {"sha256": one.written} | ({"offered": one.offered} if one.offered else {})
        for path, one in sorted(lock.entries.items())
    }
    return json.dumps({"format": _FORMAT, "stackgen": lock.version, "files": files}, indent=1) + "\n"


def load_lock(folder: StackFolder) -> Lock:
    """The lock of a stack, empty when there is none; StackgenError when it can't be read."""
    try:
        return parse_lock(folder.lock.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Lock(entries={})
    except (ValueError, KeyError, AttributeError, TypeError, OSError) as error:
        raise StackgenError(
            f"{folder.lock} can't be read: {error}",
            hint="restore it from a backup, or remove it: every file that differs is then taken for yours",
        ) from None
