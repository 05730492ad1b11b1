"""Builds what decides about access, from the settings: users, rules, audit log, and what readiness asks of them."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from registry_app.auth.access_file import parse_access_file
from registry_app.auth.audit import AuditLog
from registry_app.auth.authentication import Authenticator
from registry_app.auth.authorization import Authorizer
from registry_app.auth.htpasswd import Users, parse_htpasswd
from registry_app.auth.policy import ANYONE_EVERYTHING, EVERY_USER_EVERYTHING, NOBODY
from registry_app.auth.verification import Verifier
from registry_app.auth.watched import WatchedFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from registry_app.auth.authentication import LoginFailure
    from registry_app.auth.policy import Rules
    from registry_app.metrics.traffic import Traffic
    from registry_app.settings import RegistrySettings


LISTED = 100
"""Failed logins that each worker writes down one by one, in a minute."""


@dataclass(frozen=True, slots=True)
class Access:
    """Who calls, what they may do, and where it is written down. `checks` give a reason to be unready, or None."""

    authorizer: Authorizer
    audit: AuditLog | None = None
    checks: dict[str, Callable[[], str | None]] = field(default_factory=dict)


def build_access(settings: RegistrySettings, traffic: Traffic | None = None) -> Access:
    """Everything about access. Without htpasswd and access file everyone may do everything, as with registry:2.

    `traffic` counts failed logins and what the verifier remembered.
    """
    audit = AuditLog(settings.audit_log) if settings.audit_log is not None else None
    checks: dict[str, Callable[[], str | None]] = {}
    rules = _build_rules(settings.access_file, with_users=settings.htpasswd is not None, checks=checks)
    if audit is not None:
        checks["audit"] = lambda: audit.problem
    if settings.htpasswd is None:
        return Access(Authorizer(Authenticator(None), rules), audit, checks)
    users = WatchedFile(settings.htpasswd.path, parse_htpasswd, fallback=Users())
    checks["users"] = lambda: users.why_stale() or "; ".join(users.current().problems) or None
    remembered = traffic.login_remembered if traffic is not None else lambda _: None
    authenticator = Authenticator(
        Verifier(users.current, users.latest, on_lookup=remembered),
        realm=settings.htpasswd.realm,
        on_failure=_failure_recorder(audit, traffic),
    )
    return Access(Authorizer(authenticator, rules), audit, checks)


def _build_rules(
    file: Path | None, *, with_users: bool, checks: dict[str, Callable[[], str | None]]
) -> Callable[[], Rules]:
    if file is None:
        return lambda: EVERY_USER_EVERYTHING if with_users else ANYONE_EVERYTHING
    watched = WatchedFile(file, parse_access_file, fallback=NOBODY)
    checks["access"] = watched.why_stale
    return watched.current


def _failure_recorder(audit: AuditLog | None, traffic: Traffic | None) -> Callable[[LoginFailure], None]:
    lines = FailureLines(audit) if audit is not None else None

    def record(failed: LoginFailure) -> None:
        if traffic is not None:
            traffic.login_failed(failed.user, failed.address)
        if lines is not None:
            lines.record(failed)

    return record


class FailureLines:
    """Writes failed logins down: each, up to LISTED a minute; of a flood beyond that, how many there were.

    A stranger must not be able to push the lines of writes and deletes out of the log.
    """

    def __init__(self, audit: AuditLog, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._audit = audit
        self._clock = clock
        self._lock = threading.Lock()
        self._minute = -1
        self._count = 0

    def record(self, failed: LoginFailure) -> None:
        """One failed login."""
        with self._lock:
            minute, before = int(self._clock() // 60), self._count
            ended = minute != self._minute
            if ended:
                self._minute, self._count = minute, 0
            self._count += 1
            listed = self._count <= LISTED
        if ended and before > LISTED:
            self._audit.record("login", user=None, address="-", result="more failed logins", count=before - LISTED)
        if listed:
            self._audit.record("login", user=failed.user, address=failed.address, result=failed.reason)
