"""The only code that changes the rendered files of a stack: staged, then put in place behind a journal.

1. Every new text is written and fsynced below `.stackgen/staging`. A crash until here leaves the old stack.
2. `.stackgen/journal.json` appears by a rename: the point of no return.
3. Each text is renamed into its place: the bridge first (see `bridging`), compose.yaml behind what it refers to, the
   lock file last. Compose sees the old stack until the first of these renames and the new one from then on.
4. The journal goes.

A crash between 2 and 4 is finished by the next command that changes or plans the stack (`recover`). If Compose has
started the stack over the bridge meanwhile, its containers still use that: it stays until the next write.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry_app import __version__
from stackgen.diffing import BESIDE_SUFFIX, CHANGING, PLACING, Action, Change, FileOnDisk, next_lock
from stackgen.drafts import drafting
from stackgen.errors import StackgenError
from stackgen.lockfile import Lock, digest, format_lock
from stackgen.ownership import give_to_owner
from stackgen.shell import shell_line, stackgen_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stackgen.bridging import Bridge
    from stackgen.folder import StackFolder
    from stackgen.planning import StackPlan

_TEXT, _FOLDER = 0o644, 0o755


@contextlib.contextmanager
def exclusive(folder: StackFolder) -> Iterator[None]:
    """Holds the stack for one command at a time; StackgenError when another one is at work."""
    ensure_state(folder)
    descriptor = os.open(folder.mutex, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        give_to_owner(folder.mutex)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackgenError(
                f"another stackgen command is changing {folder.root}", hint="wait for it to end, then try again"
            ) from None
        recover(folder)
        yield
    finally:
        os.close(descriptor)


def ensure_state(folder: StackFolder) -> None:
    """Makes the folder of what the tool remembers."""
    if not folder.state.is_dir():
        folder.state.mkdir(parents=True, exist_ok=True)
        give_to_owner(folder.state)


def read_disk(folder: StackFolder, plan: StackPlan, lock: Lock) -> dict[str, FileOnDisk]:
    """The planned and the formerly written files that exist, and the new versions beside edited ones.

    StackgenError where a folder stands in the way.
    """
    found = {}
    beside = {path + BESIDE_SUFFIX for path, entry in lock.entries.items() if entry.offered}
    for path in {one.path for one in plan.files} | set(lock.entries) | beside:
        place = folder.root / path
        try:
            found[path] = FileOnDisk(place.read_bytes(), place.is_symlink())
        except FileNotFoundError:
            if place.is_symlink():
                found[path] = FileOnDisk(b"", is_link=True)
        except (IsADirectoryError, NotADirectoryError):
            raise StackgenError(f"{place} must be a file", hint="move away what lies there") from None
        except OSError as error:
            raise StackgenError(f"{place} can't be read: {error.strerror}", hint=f"look at: ls -l {place}") from None
    return found


def write_changes(
    folder: StackFolder,
    changes: tuple[Change, ...],
    lock: Lock,
    *,
    bridge: Bridge | None = None,
    unlocked: tuple[Change, ...] = (),
) -> None:
    """Applies the changes and records them; after a crash Compose finds either none of them or all.

    `unlocked` changes are applied first and not recorded: files that belong to the user from then on.
    """
    new_lock = next_lock(changes, lock, version=__version__)
    recorded = [change for change in changes if change.action in CHANGING]
    if not recorded and not unlocked and new_lock == lock:
        return
    _clear_staging(folder)
    try:
        _prepare(folder, changes, format_lock(new_lock).encode(), bridge=bridge, placed=[*unlocked, *recorded])
    except BaseException:
        _clear_staging(folder)
        shutil.rmtree(folder.bridge, ignore_errors=True)
        raise
    folder.journal.with_suffix(".tmp").rename(folder.journal)
    _sync(folder.state)
    recover(folder)
    shutil.rmtree(folder.bridge, ignore_errors=True)


def _prepare(
    folder: StackFolder, changes: tuple[Change, ...], lock: bytes, *, bridge: Bridge | None, placed: list[Change]
) -> None:
    """Everything up to the journal, which lies beside its place."""
    folder.staging.mkdir(parents=True)
    give_to_owner(folder.staging)
    recorded = [change for change in changes if change.action in CHANGING]
    if bridge is not None:
        copy_folders(folder, bridge, changes)
        placed = [bridge.compose, *(_behind(bridge, change) for change in placed)]
    steps = [_stage(folder, number, change) for number, change in enumerate(placed)]
    kept = [_stage_copy(folder, number, change) for number, change in enumerate(recorded) if _is_kept(change)]
    _write_durably(folder.staging / "lock", lock, _TEXT)
    steps += [*kept, {"from": "lock", "to": _relative(folder, folder.lock), "was": None}]
    for step in steps:
        _refuse_closed(folder.root / step["to"])
    _sync(folder.staging)
    _write_durably(folder.journal.with_suffix(".tmp"), json.dumps({"steps": steps}).encode(), _TEXT)


def _refuse_closed(target: Path) -> None:
    """StackgenError where nothing could be put in place: past the point of no return that would stop half-way."""
    place = next(one for one in target.parents if one.exists())
    if not os.access(place, os.W_OK | os.X_OK):
        raise StackgenError(
            f"{place} belongs to uid {place.stat().st_uid}, and you may not change it: nothing was written",
            hint=shell_line("sudo", "chown", str(os.geteuid()), place),
        )


def _behind(bridge: Bridge, change: Change) -> Change:
    """The change as it is once the bridge lies in compose.yaml's place."""
    return replace(change, old=bridge.compose.new) if change.path == bridge.compose.path else change


def copy_folders(folder: StackFolder, bridge: Bridge, changes: tuple[Change, ...]) -> None:
    """The bridge's folders as they will be, on disk: what lies there, the user's own files too, and the changes."""
    shutil.rmtree(folder.bridge, ignore_errors=True)
    for name in bridge.folders:
        place, copy = folder.root / name, folder.bridge / name
        _make_folders(copy)
        try:
            if place.is_dir():
                shutil.copytree(place, copy, symlinks=True, copy_function=_link_or_copy, dirs_exist_ok=True)
        except shutil.Error as error:
            source, _, reason = error.args[0][0]
            raise StackgenError(f"{source} can't be copied: {reason}", hint=f"move it out of {place}") from None
    for change in changes:
        if change.action not in PLACING or not bridge.holds(change.path):
            continue
        copy = folder.bridge / change.path
        if change.new is None:
            copy.unlink(missing_ok=True)
        else:
            _make_folders(copy.parent)
            copy.unlink(missing_ok=True)
            _write_durably(copy, change.new, change.mode)
    for path in (folder.bridge, *folder.bridge.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            give_to_owner(path)
            _sync(path)


def _link_or_copy(source: str, copy: str) -> str:
    """The same file under a second name, as nothing here writes into a file; a copy where that can't be had."""
    with contextlib.suppress(OSError):  # another file system, or another's file
        os.link(source, copy, follow_symlinks=False)
        return copy
    with drafting(Path(copy)):
        shutil.copy2(source, copy)
        give_to_owner(Path(copy))
        _sync(Path(copy))
    return copy


def recover(folder: StackFolder) -> None:
    """Finishes a write that had passed its point of no return; forgets one that had not."""
    if folder.journal.is_file():
        journal = _read_journal(folder)
        # What follows one another in a folder is synced together; what is in another one waits for it.
        for place, steps in groupby(journal, key=lambda step: (folder.root / step["to"]).parent):
            for step in steps:
                _carry_out(folder, step)
            if place.is_dir():
                _sync(place)
        folder.journal.unlink()
        _sync(folder.state)
    _clear_staging(folder)


def _read_journal(folder: StackFolder) -> list[dict[str, Any]]:
    try:
        steps: list[dict[str, Any]] = json.loads(folder.journal.read_text(encoding="utf-8"))["steps"]
        return [{"from": step["from"], "to": str(step["to"]), "was": step["was"]} for step in steps]
    except (ValueError, LookupError, TypeError) as error:
        again = f"{shell_line('rm', folder.journal)}; {stackgen_line(folder, 'render')}"
        raise StackgenError(
            f"{folder.journal} can't be read: {error}", hint=f"a command was interrupted: write the files anew: {again}"
        ) from None


def _carry_out(folder: StackFolder, step: dict[str, Any]) -> None:
    """One step of a journal; does nothing when it was carried out before."""
    target = folder.root / step["to"]
    if step["from"] is None:
        target.unlink(missing_ok=True)
        return
    staged = folder.staging / step["from"]
    if not staged.exists():
        return
    _make_folders(target.parent)
    if step["was"] is not None and target.exists() and digest(target.read_bytes()) != step["was"]:
        target = target.with_name(target.name + ".new")  # edited between the crash and this recovery
    staged.replace(target)


def _make_folders(path: Path) -> None:
    """Makes a folder and its parents for containers to look into, whatever the operator's umask."""
    for missing in [one for one in (path, *path.parents) if not one.exists()][::-1]:
        missing.mkdir(exist_ok=True)
        missing.chmod(_FOLDER)
        give_to_owner(missing)


def _stage(folder: StackFolder, number: int, change: Change) -> dict[str, Any]:
    if change.new is None:
        return {"from": None, "to": change.target, "was": None}
    name = f"{number:04}"
    _write_durably(folder.staging / name, change.new, change.mode)
    was = digest(change.old) if change.action is Action.UPDATE and change.old is not None else None
    return {"from": name, "to": change.target, "was": was}


def _stage_copy(folder: StackFolder, number: int, change: Change) -> dict[str, Any]:
    """The rendered text once more, for the base of a later three-way merge."""
    name = f"{number:04}.rendered"
    with drafting(folder.staging / name):
        (folder.staging / name).write_bytes(change.new or b"")
        give_to_owner(folder.staging / name)
    return {"from": name, "to": _relative(folder, folder.rendered / change.path), "was": None}


def _is_kept(change: Change) -> bool:
    """Whether the rendered text is kept; the service's own sources are nothing that a user would merge."""
    return change.new is not None and not change.path.startswith("registry/registry_app/")


def _relative(folder: StackFolder, path: Path) -> str:
    return path.relative_to(folder.root).as_posix()


def _clear_staging(folder: StackFolder) -> None:
    shutil.rmtree(folder.staging, ignore_errors=True)


def _write_durably(path: Path, content: bytes, mode: int) -> None:
    with drafting(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            give_to_owner(path)
            os.fchmod(descriptor, mode)
            file.write(content)
            file.flush()
            os.fsync(descriptor)


def _sync(path: Path) -> None:
    """What a file or folder holds is on disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_text(path: Path, text: str) -> None:
    """Makes a file, or replaces one in one step, with its mode and owner; a crash leaves the old one.

    A link stays one, to a file that may lie elsewhere.
    """
    path = path.resolve()
    before = path.stat() if path.exists() else None
    draft = path.with_name(path.name + ".tmp")
    _write_durably(draft, text.encode(), before.st_mode & 0o7777 if before else 0o644)
    if before is not None and os.geteuid() == 0:
        os.chown(draft, before.st_uid, before.st_gid)
    draft.replace(path)
    _sync(path.parent)


def write_text(path: Path, text: str) -> None:
    """A file of the tool's own state, whole or not at all."""
    draft = path.with_name(path.name + ".tmp")
    _write_durably(draft, text.encode(), _TEXT)
    draft.replace(path)
    _sync(path.parent)
