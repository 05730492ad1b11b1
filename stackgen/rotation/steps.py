"""The steps of a rotation: small, idempotent, each leaving a stack that works; and how a journal writes them down."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from registry_app.auth.htpasswd import find_hash, with_user
from stackgen.secret_files import SHARED, put_file, sync_folder

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Put:
    """A file gets this content. `path` is absolute, or relative to the stack's folder."""

    path: str
    content: bytes = field(repr=False)
    mode: int = SHARED
    gid: int | None = None

    def carry_out(self, root: Path) -> None:
        """Writes the file, with the folder it lies in."""
        place = root / self.path
        if not place.parent.exists():
            place.parent.mkdir(parents=True)
            sync_folder(place.parent.parent)
        put_file(place, self.content, mode=self.mode, gid=self.gid)

    def to_json(self) -> dict[str, Any]:
        """For the journal."""
        content = base64.b64encode(self.content).decode()
        return {"do": "put", "path": self.path, "content": content, "mode": self.mode, "gid": self.gid}


@dataclass(frozen=True, slots=True)
class Link:
    """A name becomes a symbolic link, or the link another one, in one step."""

    path: str
    target: str

    def carry_out(self, root: Path) -> None:
        """Replaces whatever file or link has the name."""
        place = root / self.path
        draft = place.with_name(f".{place.name}.tmp")
        draft.unlink(missing_ok=True)
        draft.symlink_to(self.target)
        draft.replace(place)
        sync_folder(place.parent)

    def to_json(self) -> dict[str, Any]:
        """For the journal."""
        return {"do": "link", "path": self.path, "target": self.target}


@dataclass(frozen=True, slots=True)
class SetHash:
    """A user of an htpasswd file gets this hash; the one before stays valid until `previous_until`, or not at all."""

    path: str
    user: str
    stored: str = field(repr=False)
    gid: int | None = None
    previous_until: float | None = None

    def carry_out(self, root: Path) -> None:
        """Changes that user alone, in the file as it is now."""
        place = root / self.path
        content = place.read_bytes() if place.exists() else b""
        if find_hash(content, self.user) == self.stored and self.previous_until is not None:
            return  # done before the interruption: the one before must not become this one
        text = with_user(content, self.user, self.stored, previous_until=self.previous_until)
        if text != content:
            put_file(place, text, mode=SHARED, gid=self.gid)

    def to_json(self) -> dict[str, Any]:
        """For the journal."""
        return {
            "do": "hash",
            "path": self.path,
            "user": self.user,
            "stored": self.stored,
            "gid": self.gid,
            "previous_until": self.previous_until,
        }


Step = Put | Link | SetHash


def step_from_json(entry: dict[str, Any]) -> Step:
    """A step as the journal holds it. Raises KeyError, TypeError or ValueError for what is none."""
    values = {name: value for name, value in entry.items() if name != "do"}
    match entry["do"]:
        case "put":
            return Put(**(values | {"content": base64.b64decode(values["content"])}))
        case "link":
            return Link(**values)
        case "hash":
            return SetHash(**values)
        case other:
            raise ValueError(f"unknown step {other!r}")
