"""A plan against what lies on disk: what a render would do to each file, and why. Pure."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from stackgen.lockfile import Lock, LockEntry, digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from stackgen.planning import StackPlan


class Action(Enum):
    """What happens to a file; the value is the word that people read."""

    CREATE = "create"
    UPDATE = "update"
    REMOVE = "remove"
    BESIDE = "beside"  # the user's file stays; the new version is put beside it
    WAIT = "wait"  # the user's file stays, and its new version lies beside it still
    KEEP = "keep"  # the user's file stays, and there is nothing new for it
    SAME = "same"


PLACING = frozenset({Action.CREATE, Action.UPDATE, Action.REMOVE})
"""What changes the stack itself."""
CHANGING = PLACING | {Action.BESIDE}
BESIDE_SUFFIX = ".new"


@dataclass(frozen=True, slots=True)
class FileOnDisk:
    """A file of a stack as found; a link is the user's whatever it points at."""

    content: bytes
    is_link: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """What a render does to one path. `old` is None where nothing lies, `new` where the file goes."""

    path: str
    action: Action
    old: bytes | None
    new: bytes | None
    mode: int = 0o644

    @property
    def target(self) -> str:
        """The path that is written or removed."""
        return self.path + BESIDE_SUFFIX if self.action is Action.BESIDE else self.path

    def lines(self) -> Iterator[str]:
        """The change as a unified diff."""
        if _is_binary(self.old) or _is_binary(self.new):
            yield f"Binary file {self.path} differs\n"
            return
        yield from difflib.unified_diff(
            _lines(self.old), _lines(self.new), f"{self.path} (now)", f"{self.target} (planned)"
        )


def diff_plan(
    plan: StackPlan, disk: Mapping[str, FileOnDisk], lock: Lock, *, overwrite: frozenset[str] = frozenset()
) -> tuple[Change, ...]:
    """One change for each planned file and each file that is planned no more; `disk` holds those that exist.

    `overwrite` names files whose edits the user gives up.
    """
    changes = []
    for planned in plan.files:
        found = disk.get(planned.path)
        action = _action(found, planned.content, lock.entry(planned.path), waits=planned.path + BESIDE_SUFFIX in disk)
        if action in {Action.BESIDE, Action.WAIT, Action.KEEP} and planned.path in overwrite:
            action = Action.UPDATE
        changes.append(Change(planned.path, action, found.content if found else None, planned.content, planned.mode))
    changes += _obsolete(plan, disk, lock)
    return (*changes, *_settled(changes, disk, lock))


def _action(found: FileOnDisk | None, new: bytes, entry: LockEntry, *, waits: bool) -> Action:
    if found is None:
        return Action.CREATE
    if found.content == new:
        return Action.SAME
    if digest(found.content) == entry.written and not found.is_link:
        return Action.UPDATE
    if digest(new) == entry.written:
        return Action.KEEP
    if digest(new) != entry.offered:
        return Action.BESIDE
    # Whoever removes the new version has decided for the old one.
    return Action.WAIT if waits else Action.KEEP


def _obsolete(plan: StackPlan, disk: Mapping[str, FileOnDisk], lock: Lock) -> Iterator[Change]:
    """Files that we wrote and plan no more: removed when untouched, left when edited."""
    planned = {one.path for one in plan.files}
    for path, entry in sorted(lock.entries.items()):
        if path in planned or (found := disk.get(path)) is None:
            continue
        untouched = digest(found.content) == entry.written and not found.is_link
        yield Change(path, Action.REMOVE if untouched else Action.KEEP, found.content, None)


def _settled(changes: list[Change], disk: Mapping[str, FileOnDisk], lock: Lock) -> Iterator[Change]:
    """New versions beside files that need them no more: removed as they were put there, left when edited."""
    for change in changes:
        beside = disk.get(change.path + BESIDE_SUFFIX)
        if beside is None or change.action in {Action.BESIDE, Action.WAIT}:
            continue
        if digest(beside.content) == lock.entry(change.path).offered:
            yield Change(change.path + BESIDE_SUFFIX, Action.REMOVE, beside.content, None)


def next_lock(changes: tuple[Change, ...], lock: Lock, *, version: str) -> Lock:
    """The lock after these changes were applied."""
    entries = {}
    for change in changes:
        if change.new is None:
            continue
        before = lock.entry(change.path)
        if change.action is Action.BESIDE:
            entries[change.path] = LockEntry(before.written, digest(change.new))
        elif change.action in {Action.WAIT, Action.KEEP}:
            offered = before.offered if before.offered == digest(change.new) else None
            entries[change.path] = LockEntry(before.written, offered)
        else:
            entries[change.path] = LockEntry(digest(change.new))
    return Lock(version, entries)


def _is_binary(content: bytes | None) -> bool:
    return content is not None and b"\0" in content


def _lines(content: bytes | None) -> list[str]:
    return (content or b"").decode(errors="replace").splitlines(keepends=True)
