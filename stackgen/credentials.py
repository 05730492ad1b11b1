"""Secrets of a stack: made once, kept for ever; files of tight modes in folders that one service mounts."""

from __future__ import annotations

import contextlib
import os
import secrets
from typing import TYPE_CHECKING

import bcrypt

from stackgen.errors import StackgenError
from stackgen.profiles import load_profiles

if TYPE_CHECKING:
    from pathlib import Path

    from stackgen.folder import StackFolder
    from stackgen.settings import StackSettings

_FOLDER, _SHARED, _PRIVATE = 0o750, 0o640, 0o600
_COST = 10


def ensure_credentials(folder: StackFolder, settings: StackSettings) -> None:
    """Makes the secrets that are missing; never changes one that is there."""
    gid = settings.secrets_gid
    _ensure_folder(folder.secrets, gid)
    ensure_secret(folder.http_secret, gid)
    if not folder.htpasswd.exists():
        if not folder.admin_password.exists():
            _write_new(folder.admin_password, secrets.token_urlsafe(18) + "\n", _PRIVATE)
        password = folder.admin_password.read_text(encoding="utf-8").strip()
        hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(_COST)).decode()
        _write_new(folder.htpasswd, f"{settings.registry_admin_user}:{hashed}\n", _SHARED, gid)
    for path in (secret for profile in load_profiles() for secret in profile.secrets):
        place = folder.root / path
        _ensure_folder(place.parent, gid)
        ensure_secret(place, gid)


def ensure_secret(path: Path, gid: int) -> None:
    """A file with a random secret, readable by its owner and the containers' group; kept when it is there."""
    if not path.exists():
        _write_new(path, secrets.token_urlsafe(32) + "\n", _SHARED, gid)


def _ensure_folder(path: Path, gid: int) -> None:
    if not path.exists():
        path.mkdir(mode=_FOLDER, parents=True)
        path.chmod(_FOLDER)
        _give_to_group(path, gid)


def _write_new(path: Path, text: str, mode: int, gid: int | None = None) -> None:
    """A new file that appears whole, with its mode, or not at all."""
    draft = path.with_name(f".{path.name}.tmp")
    with contextlib.suppress(FileNotFoundError):
        draft.unlink()
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, mode)
        if gid is not None:
            _give_to_group(draft, gid)
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    draft.rename(path)


def _give_to_group(path: Path, gid: int) -> None:
    if path.stat().st_gid == gid:
        return
    try:
        os.chown(path, -1, gid)
    except PermissionError:
        raise StackgenError(
            f"{path} can't be given to group {gid}: you are not in it",
            hint=f"set SECRETS_GID={os.getgid()} in .env, your own group",
        ) from None
