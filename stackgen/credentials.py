"""Secrets of a stack: made once, kept for ever; files of tight modes in folders that one service mounts."""

from __future__ import annotations

import secrets
from contextlib import ExitStack
from typing import TYPE_CHECKING

from registry_app.administration import recorded
from stackgen.errors import StackgenError, refusal
from stackgen.losses import name_of, refused
from stackgen.profiles import load_profiles
from stackgen.secret_files import PRIVATE, SHARED, ensure_folder, is_lost, put_file
from stackgen.shell import shell_line

if TYPE_CHECKING:
    from pathlib import Path

    from stackgen.folder import StackFolder
    from stackgen.losses import Loss
    from stackgen.settings import StackSettings

_FOLDER = 0o750


def ensure_credentials(
    folder: StackFolder, settings: StackSettings, *, losses: tuple[Loss, ...] = (), anew: frozenset[str] = frozenset()
) -> None:
    """Makes the secrets that are missing, the losses of a finished stack too; never changes one that is there.

    StackgenError, before anything is made, for a secret that was lost and has to be asked for by name in `anew`.
    """
    if unknown := anew - {name_of(folder, loss.file) for loss in losses}:
        raise StackgenError(f"not lost: {', '.join(sorted(unknown))}", hint="--anew is for secrets that are gone")
    if obstacles := refused(folder, losses, anew):
        raise refusal(obstacles)
    with ExitStack() as acts:
        for loss in losses:
            acts.enter_context(recorded(folder.audit_log, "secret-anew", subject=name_of(folder, loss.file)))
        _make_missing(folder, settings, open_to_all=name_of(folder, folder.access) in anew)


def _make_missing(folder: StackFolder, settings: StackSettings, *, open_to_all: bool) -> None:
    """Every secret that is missing; lost rules only where every user may do everything from now on."""
    gid = settings.secrets_gid
    ensure_folder(folder.secrets, mode=_FOLDER, gid=gid)
    ensure_secret(folder.http_secret, gid)
    if is_lost(folder.htpasswd):
        _make_first_user(folder, settings)
    for path in (secret for profile in load_profiles() for secret in profile.secrets):
        place = folder.root / path
        ensure_folder(place.parent, mode=_FOLDER, gid=gid)
        ensure_secret(place, gid)
    if open_to_all and is_lost(folder.access):
        _let_all_do_all(folder, gid)


def _make_first_user(folder: StackFolder, settings: StackSettings) -> None:
    """The first user with a password, under rules that let every user do all."""
    # Imported here: of all renders only the first needs them, and they cost a tenth of its time.
    from registry_app.auth.htpasswd import hash_password  # noqa: PLC0415

    if is_lost(folder.admin_password):
        put_file(folder.admin_password, f"{new_password()}\n".encode(), mode=PRIVATE)
    try:
        stored = hash_password(folder.admin_password.read_bytes().removesuffix(b"\n").removesuffix(b"\r"))
    except ValueError as error:
        raise StackgenError(
            f"{folder.admin_password} tells the first user's password, and {error}",
            hint=f"mend it, or let another be made: {shell_line('rm', folder.admin_password)}, then the same once more",
        ) from None
    if is_lost(folder.access):
        _let_all_do_all(folder, settings.secrets_gid)
    # htpasswd comes last: rules that vanish later are never put back by themselves, for these are open ones.
    line = f"{settings.registry_admin_user}:{stored}\n"
    put_file(folder.htpasswd, line.encode(), mode=SHARED, gid=settings.secrets_gid)


def _let_all_do_all(folder: StackFolder, gid: int) -> None:
    from registry_app.auth.access_file import DEFAULT_ACCESS  # noqa: PLC0415  (as above)

    put_file(folder.access, DEFAULT_ACCESS, mode=SHARED, gid=gid)


def ensure_secret(path: Path, gid: int) -> None:
    """A file with a random secret, readable by its owner and the containers' group; kept when it is there."""
    if is_lost(path):
        put_file(path, f"{new_secret()}\n".encode(), mode=SHARED, gid=gid)


def new_password() -> str:
    """A password that people may have to type once: 144 random bits in 24 characters."""
    return secrets.token_urlsafe(18)


def new_secret() -> str:
    """A secret for machines: 256 random bits."""
    return secrets.token_urlsafe(32)
