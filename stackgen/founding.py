"""Makes a stack where there was none: in a folder beside the target that takes its name when all of it is there."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from stackgen import dotenv
from stackgen.certificates import ensure_certificates
from stackgen.credentials import ensure_credentials
from stackgen.env_file import describe, read_settings
from stackgen.errors import StackgenError
from stackgen.folder import ENV, OVERRIDE, StackFolder
from stackgen.hosting import prepare_storage
from stackgen.stack import draft
from stackgen.writing import exclusive, write_changes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stackgen.settings import StackSettings

_WELCOME = frozenset({ENV, OVERRIDE, "certs", ".git", ".stackgen", ".gitkeep"})
"""What a folder may hold before a stack is made in it: settings and certificates of the user's own."""
_SUFFIX = ".being-made"
_HEADING = (
    "# Settings of this stack; Compose reads them too. All of them: .env.example. After a change: stackgen render\n"
)


def compose_env(given: Mapping[str, str]) -> str:
    """The text of a new `.env`."""
    return _HEADING + "".join(f"{name}={dotenv.quote(value)}\n" for name, value in given.items())


def check_target(root: Path) -> None:
    """StackgenError unless a stack can be made there."""
    if root.is_symlink() and not root.exists():
        raise StackgenError(f"{root} is a link to nowhere", hint="remove it, or choose another folder")
    if not root.exists():
        return
    if not root.is_dir():
        raise StackgenError(f"{root} is a file", hint="choose another folder")
    others = sorted(one.name for one in root.iterdir() if one.name not in _WELCOME)
    if others:
        shown = ", ".join(others[:3]) + (", …" if len(others) > 3 else "")  # noqa: PLR2004  (enough to recognise it)
        raise StackgenError(f"{root} holds something else: {shown}", hint="choose an empty or a new folder")


def check_env(text: str) -> StackSettings:
    """The settings of a `.env` text; StackgenError with all its problems."""
    read = read_settings(text)
    if read.settings is None:
        raise StackgenError(describe(read.problems), hint="correct these, then run the command again")
    return read.settings


def make_stack(root: Path, env: str) -> StackSettings:
    """Makes a stack with these settings; a crash leaves nothing, or the whole of it."""
    check_target(root)
    settings = check_env(env)
    if root.exists() and any(root.iterdir()):
        return _fill(StackFolder(root), env)
    beside = root.absolute().with_name(f".{root.absolute().name}{_SUFFIX}")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        beside.mkdir(parents=True)
        _fill(StackFolder(beside), env, home=root)
        if root.exists() and _is_in_use(root):
            for one in sorted(beside.iterdir(), key=lambda path: path.name == ENV):
                one.rename(root / one.name)
        else:
            beside.rename(root)
        _sync(root.absolute().parent)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return settings


def _fill(folder: StackFolder, env: str, *, home: Path | None = None) -> StackSettings:
    """Everything of a stack in its folder; `home` is where the folder will lie, for paths outside of it."""
    with exclusive(folder):
        if not folder.env.exists():
            folder.env.write_text(env, encoding="utf-8")
            folder.env.chmod(0o644)
        made = draft(folder)
        ensure_credentials(folder, made.settings)
        ensure_certificates(folder, made.settings)
        prepare_storage(StackFolder(home) if home else folder, made.settings)
        write_changes(folder, made.changes, made.lock)
    return made.settings


def _is_in_use(root: Path) -> bool:
    """Whether a folder must stay the same one: someone's working directory, or a mount."""
    return root.is_mount() or root.resolve() == Path.cwd().resolve() or root.is_symlink()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
