"""From what the user asked for to the plan of one rotation."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from stackgen.errors import StackgenError
from stackgen.profiles import kept_secrets
from stackgen.rotation.certificates import plan_authority, plan_leaf, plan_own, plan_undo
from stackgen.rotation.secrets import (
    plan_http_secret,
    plan_http_secret_undo,
    plan_kept_secret,
    plan_password,
    plan_password_undo,
    require_user,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from stackgen.folder import StackFolder
    from stackgen.rotation.journal import Rotation
    from stackgen.settings import StackSettings

KEEP_OLD = {"password": 0, "http-secret": 7 * 86400, "tls": 0, "ca": 30 * 86400}
"""Secret → seconds for which the old one stays valid unless said otherwise. An upload lives a week at most."""
ALL = "all"


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asked for; `keep_old` None is the secret's own default."""

    user: str
    password: bytes = field(repr=False)
    keep_old: int | None = None
    own: tuple[Path, Path] | None = None
    """Certificate and key with TLS=own."""


def kinds_of(what: str, settings: StackSettings, *, undo: bool) -> tuple[str, ...]:
    """The secrets to rotate, in turn. The authority brings a new certificate along."""
    if what != ALL:
        return (what,)
    if undo:
        raise StackgenError("undo goes with one secret, not with all", hint="stackgen rotate password --undo, …")
    ours = ("password", "http-secret") if settings.tls == "own" else ("password", "http-secret", "ca")
    return (*ours, *kept_secrets(settings.compose_profiles))


def kinds() -> tuple[str, ...]:
    """Every word that `rotate` knows, those of profiles included."""
    return (*KEEP_OLD, *kept_secrets(), ALL)


def plan_rotation(folder: StackFolder, settings: StackSettings, kind: str, request: Request) -> Rotation:
    """The plan for one secret; StackgenError where it can't be rotated."""
    now = time.time()
    moment = datetime.fromtimestamp(now, UTC)
    if kind not in KEEP_OLD:
        return plan_kept_secret(folder, settings, kept_secrets()[kind], now=now)
    keep_old = KEEP_OLD[kind] if request.keep_old is None else request.keep_old
    if kind == "password":
        require_user(folder, request.user)
        return plan_password(folder, settings, request.user, request.password, now=now, keep_old=keep_old)
    if kind == "http-secret":
        return plan_http_secret(folder, settings, now=now, keep_old=keep_old)
    if kind == "ca":
        return plan_authority(folder, settings, now=moment, keep_old=keep_old)
    if request.own is not None:
        return plan_own(folder, settings, *request.own, now=moment)
    return plan_leaf(folder, settings, now=moment)


def plan_way_back(folder: StackFolder, settings: StackSettings, kind: str, request: Request) -> Rotation:
    """The plan that undoes the last rotation of one secret; StackgenError when that is too late."""
    now = time.time()
    if kind not in KEEP_OLD:
        raise StackgenError(f"the {kind} password before is not kept", hint=f"stackgen rotate {kind} makes another")
    plans: dict[str, Callable[[], Rotation]] = {
        "password": lambda: plan_password_undo(folder, settings, request.user, now=now),
        "http-secret": lambda: plan_http_secret_undo(folder, settings, now=now),
    }
    if kind in plans:
        return plans[kind]()
    return plan_undo(folder, settings, kind, now=datetime.fromtimestamp(now, UTC))
