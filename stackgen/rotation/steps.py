"""The steps of a rotation: small, idempotent, each leaving a stack that works; and how a journal writes them down."""

from __future__ import annotations

import base64
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from registry_app.auth.htpasswd import find_hash, with_user, without_user
from registry_app.auth.user_names import check_user_name
from stackgen.ownership import give_to_owner
from stackgen.rotation.shapes import check_moment, check_path, read_shape
from stackgen.secret_files import SHARED, put_file, sync_folder

if TYPE_CHECKING:
    from pathlib import Path
    from types import UnionType


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
            give_to_owner(place.parent)
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
        """Changes that user alone, in the file as it is now; FileNotFoundError where it was lost meanwhile."""
        place = root / self.path
        content = place.read_bytes()
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


@dataclass(frozen=True, slots=True)
class DropUser:
    """A user of an htpasswd file goes."""

    path: str
    user: str
    gid: int | None = None

    def carry_out(self, root: Path) -> None:
        """Changes that user alone, in the file as it is now; one who has gone already is no matter."""
        place = root / self.path
        with suppress(KeyError):
            put_file(place, without_user(place.read_bytes(), self.user), mode=SHARED, gid=self.gid)

    def to_json(self) -> dict[str, Any]:
        """For the journal."""
        return {"do": "drop", "path": self.path, "user": self.user, "gid": self.gid}


@dataclass(frozen=True, slots=True)
class Remove:
    """A file goes, if it is there."""

    path: str

    def carry_out(self, root: Path) -> None:
        """Removes it so that a power cut does not bring it back."""
        place = root / self.path
        if place.exists():
            place.unlink()
            sync_folder(place.parent)

    def to_json(self) -> dict[str, Any]:
        """For the journal."""
        return {"do": "remove", "path": self.path}


Step = Put | Link | SetHash | DropUser | Remove
_IDS, _MODES = 1 << 32, 0o777

_KINDS: dict[str, tuple[type[Step], dict[str, type | UnionType]]] = {
    "put": (Put, {"path": str, "content": str, "mode": int, "gid": int | None}),
    "link": (Link, {"path": str, "target": str}),
    "hash": (
        SetHash,
        {"path": str, "user": str, "stored": str, "gid": int | None, "previous_until": float | int | None},
    ),
    "drop": (DropUser, {"path": str, "user": str, "gid": int | None}),
    "remove": (Remove, {"path": str}),
}
"""What a journal calls a step, and what it says of it."""


def step_from_json(entry: object) -> Step:
    """A step as the journal holds it. Raises ValueError, with the reason, for what is none."""
    named = entry.get("do") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or not isinstance(named, str) or named not in _KINDS:
        raise ValueError("a step is not one of " + ", ".join(_KINDS))
    kind, shape = _KINDS[named]
    values = dict(read_shape({name: value for name, value in entry.items() if name != "do"}, shape))
    check_path(values["path"])
    check_path(values.get("target", values["path"]))
    check_moment(values.get("previous_until"))
    if not 0 <= (values.get("gid") or 0) < _IDS or not 0 <= values.get("mode", 0) <= _MODES:
        raise ValueError("a mode or a group is out of range")
    if (
        kind is SetHash
        and find_hash(f"{values['user']}:{values['stored']}".encode(), values["user"]) != values["stored"]
    ):
        raise ValueError("a user or a hash is none")
    if kind is DropUser:
        check_user_name(values["user"])
    if kind is Put:
        values["content"] = base64.b64decode(values["content"], validate=True)
    return kind(**values)
