"""Plans for what is one line of a file: a user's password and the http secret."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from registry_app.auth.htpasswd import hash_password, parse_htpasswd
from registry_app.auth.http_secret import parse_secrets, with_new_secret, with_previous_secret
from registry_app.auth.watched import FileRefusedError
from stackgen.credentials import new_secret
from stackgen.errors import StackgenError, refusal
from stackgen.losses import find_loss, name_of
from stackgen.rotation.journal import Rotation
from stackgen.rotation.records import Record
from stackgen.rotation.steps import DropUser, Put, Remove, SetHash
from stackgen.running import why_out_of_reach
from stackgen.secret_files import PRIVATE
from stackgen.shell import shell_line, stackgen_line

if TYPE_CHECKING:
    from registry_app.auth.htpasswd import Users
    from stackgen.folder import StackFolder
    from stackgen.profiles import KeptSecret
    from stackgen.rotation.steps import Step
    from stackgen.settings import StackSettings


_HANDOVER = 600
"""Seconds for which the old password counts, at most, when a change is interrupted before the operator has the new."""


def load_users(folder: StackFolder) -> Users:
    """The users of the stack's htpasswd file; StackgenError when it is lost or can't be read."""
    if (loss := find_loss(folder, folder.htpasswd)) is not None:
        raise refusal((loss,))
    try:
        return parse_htpasswd(folder.htpasswd.read_bytes())
    except FileRefusedError as error:
        begin = stackgen_line(folder, "render", "--anew", name_of(folder, folder.htpasswd))
        raise StackgenError(
            f"{folder.htpasswd}: {error}",
            hint="mend it, or bring it back from a backup; with the first user alone it comes back by: "
            f"rm {shell_line(folder.htpasswd)} && {begin}",
        ) from None
    except PermissionError:
        raise StackgenError(
            f"{folder.htpasswd} can't be read: it is its owner's and the containers' alone",
            hint="run this as the user who made the stack, or with sudo",
        ) from None
    except OSError as error:
        raise StackgenError(
            f"{folder.htpasswd} can't be read: {error.strerror}",
            hint=f"make it where it is missing: {stackgen_line(folder, 'render')}",
        ) from None


def require_user(folder: StackFolder, user: str) -> None:
    """StackgenError, with a near name, unless there is such a user."""
    users = load_users(folder).hashes
    if user in users:
        return
    import difflib  # noqa: PLC0415  (for the mistake alone)

    near = difflib.get_close_matches(user, users, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"see: {stackgen_line(folder, 'users', 'list')}"
    raise StackgenError(f"there is no user {user!r} in {folder.htpasswd}", hint=hint)


def plan_password(
    folder: StackFolder, settings: StackSettings, user: str, password: bytes, *, now: float, keep_old: int
) -> Rotation:
    """A user gets a password; the one before counts for `keep_old` seconds more. Keeps the operator's file true."""
    old_until = now + keep_old if keep_old else None
    htpasswd = folder.htpasswd.relative_to(folder.root).as_posix()
    change = partial(SetHash, htpasswd, user, hash_password(password), settings.secrets_gid)
    steps: list[Step] = [change(old_until)]
    remark = f"if nobody was told the new one, set another: {stackgen_line(folder, 'users', 'passwd', user)}"
    if user == settings.registry_admin_user and folder.admin_password.exists():
        place = folder.admin_password.relative_to(folder.root).as_posix()
        kept = folder.previous_password.relative_to(folder.root).as_posix()
        old = folder.admin_password.read_bytes() if keep_old else b""
        # Both count until the file tells the new one: what it says is right at any moment.
        steps = [change(now + max(keep_old, _HANDOVER)), Put(kept, old, PRIVATE), Put(place, password + b"\n", PRIVATE)]
        steps += [] if keep_old >= _HANDOVER else [change(old_until)]
        remark = ""
    records: dict[str, Record | None] = {record_of(user): Record(now, old_until)}
    return Rotation(f"password of {user}", tuple(steps), records=records, remark=remark)


def plan_password_undo(folder: StackFolder, settings: StackSettings, user: str, *, now: float) -> Rotation:
    """The password before the last change is the only one again. StackgenError once it has run out."""
    hashes = load_users(folder).valid(user, now)
    if len(hashes) < 2:  # noqa: PLR2004  (the one in force and the one before)
        raise StackgenError(
            f"the password that {user} had before is no longer valid",
            hint="--keep-old says for how long it counts; set a new one: "
            + stackgen_line(folder, "users", "passwd", user),
        )
    htpasswd = folder.htpasswd.relative_to(folder.root).as_posix()
    change = partial(SetHash, htpasswd, user, hashes[1].text.decode(), settings.secrets_gid)
    steps: list[Step] = [change(None)]
    if user == settings.registry_admin_user and folder.previous_password.exists():
        place = folder.admin_password.relative_to(folder.root).as_posix()
        # As on the way there: both count until the file tells the right one.
        steps = [change(now + _HANDOVER), Put(place, folder.previous_password.read_bytes(), PRIVATE), change(None)]
    return Rotation(f"password of {user}, back", tuple(steps), records={record_of(user): Record(now)})


def plan_removal(folder: StackFolder, settings: StackSettings, user: str) -> Rotation:
    """A user goes, and with the first one the files that tell that password. StackgenError where there is none."""
    require_user(folder, user)
    steps: list[Step] = [DropUser(folder.htpasswd.relative_to(folder.root).as_posix(), user, settings.secrets_gid)]
    if user == settings.registry_admin_user:
        told = (folder.admin_password, folder.previous_password)
        steps += [Remove(place.relative_to(folder.root).as_posix()) for place in told]
    records: dict[str, Record | None] = {record_of(user): None}
    return Rotation(f"removal of {user}", tuple(steps), records=records, event="user-remove", subject=user)


def record_of(user: str) -> str:
    """The name of the record of a user's password."""
    return f"password:{user}"


def plan_http_secret(folder: StackFolder, settings: StackSettings, *, now: float, keep_old: int) -> Rotation:
    """A new http secret signs; the one before verifies for `keep_old` seconds more."""
    old = _read_http_secret(folder)
    content = with_new_secret(old, new_secret(), now=now, previous_until=now + keep_old if keep_old else None)
    return _put_http_secret(folder, settings, content, "http secret", Record(now, now + keep_old if keep_old else None))


def plan_http_secret_undo(folder: StackFolder, settings: StackSettings, *, now: float) -> Rotation:
    """The http secret before the last change signs again; the newer one verifies for as long as the older would."""
    anew = stackgen_line(folder, "rotate", "http-secret")
    try:
        content = with_previous_secret(_read_http_secret(folder), now=now)
    except FileRefusedError as error:
        raise StackgenError(f"{folder.http_secret}: {error}", hint=f"make a new one: {anew}") from None
    if content is None:
        raise StackgenError("the http secret before this one has run out", hint=anew)
    until = parse_secrets(content)[1].until
    return _put_http_secret(folder, settings, content, "http secret, back", Record(now, until))


def plan_kept_secret(folder: StackFolder, settings: StackSettings, secret: KeptSecret, *, now: float) -> Rotation:
    """A profile's secret and its service's copy of it become another. StackgenError where the copy can't be reached."""
    place = folder.root / secret.path
    if not place.exists():
        raise StackgenError(f"there is no {place}", hint=f"make it: {stackgen_line(folder, 'render')}")
    if (why := why_out_of_reach(folder, settings, secret)) is not None:
        raise StackgenError(
            f"the {secret.rotate} password can't be changed now: {why}",
            hint=f"docker compose up -d --wait {secret.service}, then: stackgen rotate {secret.rotate}",
        )
    gid = settings.secrets_gid
    change = Put(secret.path, f"{new_secret()}\n".encode(), gid=gid)
    back = Put(secret.path, place.read_bytes(), gid=gid)
    records: dict[str, Record | None] = {secret.rotate: Record(now)}
    return Rotation(f"{secret.rotate} password", (change,), (back,), hands_over=secret.rotate, records=records)


def _put_http_secret(
    folder: StackFolder, settings: StackSettings, content: bytes, title: str, record: Record
) -> Rotation:
    place = folder.http_secret.relative_to(folder.root).as_posix()
    return Rotation(title, (Put(place, content, gid=settings.secrets_gid),), records={"http-secret": record})


def _read_http_secret(folder: StackFolder) -> bytes:
    try:
        return folder.http_secret.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise StackgenError(f"{folder.http_secret} can't be read: {error.strerror}", hint="ls -l secrets") from None
