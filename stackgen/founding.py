"""Makes a stack where there was none: in a folder beside the target that takes its name when all of it is there."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
from typing import TYPE_CHECKING

from stackgen import dotenv
from stackgen.certificates import ensure_certificates, put_own
from stackgen.credentials import ensure_credentials
from stackgen.diffing import Action, Change
from stackgen.env_file import describe, read_settings
from stackgen.errors import StackgenError
from stackgen.folder import ENV, OVERRIDE, STATE, StackFolder
from stackgen.hosting import prepare_storage
from stackgen.profiles import load_profiles
from stackgen.shell import printable, shell_line
from stackgen.stack import draft_with
from stackgen.writing import exclusive, write_changes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from stackgen.certificates import OwnPair
    from stackgen.settings import StackSettings

_WELCOME = frozenset({ENV, OVERRIDE, "certs", ".git", ".gitkeep", STATE})
"""What a folder may hold before a stack is made in it: settings and certificates of the user's own."""
_LEFT_BEHIND = frozenset({"ca", "secrets", ENV + ".example"})
"""What an interrupted init leaves beside `.stackgen`, with the profiles' secrets; the next one goes on with it."""
_SUFFIX = ".being-made"
_LONGEST_NAME = 200
"""Bytes of a folder's name to which the suffix can be added on every file system."""
_HEADING = (
    "# Settings of this stack; Compose reads them too. All of them: .env.example. After a change: stackgen render\n"
)


def compose_env(given: Mapping[str, str]) -> str:
    """The text of a new `.env`."""
    return _HEADING + "".join(f"{name}={dotenv.quote(value)}\n" for name, value in given.items())


def check_name(root: Path) -> None:
    """StackgenError for a path that no folder can have, or that may not be looked at."""
    try:
        root.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise StackgenError(f"{root}: {error.strerror}", hint="choose another folder") from None


def check_target(root: Path) -> None:
    """StackgenError unless a stack can be made there."""
    printable(root)
    if root.is_symlink() and not root.exists():
        raise StackgenError(f"{root} is a link to nowhere", hint="remove it, or choose another folder")
    _refuse_for_compose(root)
    if not root.exists():
        return
    if not root.is_dir():
        raise StackgenError(f"{root} is a file", hint="choose another folder")
    names = {one.name for one in root.iterdir()}
    left = _LEFT_BEHIND.union(*(profile.secret_folders for profile in load_profiles()))
    welcome = _WELCOME | left if STATE in names else _WELCOME
    if others := sorted(names - welcome):
        if StackFolder(root).is_stack():  # looked at last: a stack appears whole, at any moment
            raise _made_meanwhile(root)
        shown = ", ".join(others[:3]) + (", …" if len(others) > 3 else "")  # noqa: PLR2004  (enough to recognise it)
        raise StackgenError(f"{root} holds something else: {shown}", hint="choose an empty or a new folder")


def _made_meanwhile(root: Path) -> StackgenError:
    return StackgenError(f"{root} is a stack already: another command has just made it", hint=shell_line("ls", root))


_NO_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")


def _refuse_for_compose(root: Path) -> None:
    """StackgenError for a folder in which Compose stops: it takes a % in its path for an escape of a URL."""
    place = root.resolve()
    if _NO_ESCAPE.search(str(place)):
        raise StackgenError(
            f"{place} holds a % that Docker Compose can't read in a folder's name", hint="choose a folder without %"
        )


def check_env(text: str, root: Path, *, typed: Mapping[str, str] | None = None) -> StackSettings:
    """The settings of a `.env` text for a stack in `root`; StackgenError with all its problems.

    `typed` is given for a text that is no file yet: what the user typed for each setting that has been answered.
    """
    read = read_settings(text, root=root)
    if read.settings is None:
        raise StackgenError(describe(read.problems, typed=typed), hint="correct these, then run the command again")
    return read.settings


def make_stack(root: Path, env: str, *, own: OwnPair | None = None) -> StackSettings:
    """Makes a stack with these settings, and the user's `own` certificate; a crash leaves no stack, or all of it."""
    check_target(root)
    settings = check_env(env, root)
    if root.exists() and (_must_stay(root) or any(root.iterdir())):
        _fill(StackFolder(root), env, settings, own)
        return settings
    if settings.tls == "own" and own is None:
        raise StackgenError(
            "TLS=own needs your certificate with its chain, and its key", hint="name them: --cert FILE --key FILE"
        )
    made = _make_folders(root.absolute().parent)
    try:
        with _alone_in(root.absolute().parent):
            _make_beside(root, env, settings, own)
    except BaseException:
        for folder in reversed(made):
            with contextlib.suppress(OSError):  # another command has put something there meanwhile
                folder.rmdir()
        raise
    return settings


@contextlib.contextmanager
def _alone_in(parent: Path) -> Iterator[None]:
    """Lets one command at a time make a stack in a folder, for two would share a draft; waits for the other one."""
    descriptor = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):  # some file systems of networks know no locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _make_beside(root: Path, env: str, settings: StackSettings, own: OwnPair | None) -> None:
    """Makes a stack in a draft beside its folder, and gives it the folder's name when all of it is there."""
    if StackFolder(root).is_stack():
        raise _made_meanwhile(root)
    beside = _draft_of(root)
    shutil.rmtree(beside, ignore_errors=True)
    try:
        beside.mkdir()
        _fill(StackFolder(beside), env, settings, own)
        beside.rename(root)
        _sync(beside.parent)
    except BaseException as error:
        shutil.rmtree(beside, ignore_errors=True)
        # The user knows the folder that was asked for, not the draft of it.
        if isinstance(error, StackgenError):
            error.message = error.message.replace(str(beside), str(root))
            error.hint = error.hint.replace(str(beside), str(root))
        elif isinstance(error, OSError) and isinstance(error.filename, str | os.PathLike):
            error.filename = os.fspath(error.filename).replace(str(beside), str(root), 1)
        raise


def _draft_of(root: Path) -> Path:
    """The folder beside a new one in which it is made."""
    name = root.absolute().name
    known = name if len(os.fsencode(name)) < _LONGEST_NAME else hashlib.sha256(os.fsencode(name)).hexdigest()
    return root.absolute().with_name(f".{known}{_SUFFIX}")


def _fill(folder: StackFolder, env: str, settings: StackSettings, own: OwnPair | None) -> None:
    """Everything of a stack in its folder."""
    with exclusive(folder):
        ensure_credentials(folder, settings)
        if own is not None:
            put_own(folder, settings, own)
        ensure_certificates(folder, settings)
        prepare_storage(folder, settings)
        made = draft_with(folder, settings)
        unlocked = () if folder.env.exists() else (Change(ENV, Action.CREATE, None, env.encode()),)
        write_changes(folder, made.changes, made.lock, unlocked=unlocked)


def _must_stay(root: Path) -> bool:
    """Whether a folder must stay the same one: someone's working directory, a mount, or behind a link."""
    return root.is_mount() or root.is_symlink() or root.resolve() == root.cwd().resolve()


def _make_folders(path: Path) -> list[Path]:
    """Makes a folder with its parents; those that were missing, outermost first."""
    missing = [one for one in (path, *path.parents) if not one.exists()][::-1]
    for one in missing:
        one.mkdir(exist_ok=True)
    return missing


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
