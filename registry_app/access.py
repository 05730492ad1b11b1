"""Builds what decides about access, from the settings: users, rules, audit log, and what readiness asks of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from registry_app.auth.audit import AuditLog
from registry_app.auth.authentication import Authenticator
from registry_app.auth.authorization import Authorizer
from registry_app.auth.htpasswd import Users, parse_htpasswd
from registry_app.auth.policy import ANYONE_EVERYTHING, EVERY_USER_EVERYTHING, NOBODY
from registry_app.auth.strangers import Places
from registry_app.auth.verification import Verifier
from registry_app.auth.watched import WatchedFile
from registry_app.leading import give_way

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from registry_app.auth.authentication import LoginFailure
    from registry_app.auth.policy import Rules
    from registry_app.auth.shared import SharedLogins
    from registry_app.metrics.traffic import Traffic
    from registry_app.settings import RegistrySettings


@dataclass(frozen=True, slots=True)
class Access:
    """Who calls, what they may do, and where it is written down. `checks` give a reason to be unready, or None."""

    authorizer: Authorizer
    audit: AuditLog | None = None
    checks: dict[str, Callable[[], str | None]] = field(default_factory=dict)


def build_access(
    settings: RegistrySettings, traffic: Traffic | None = None, *, logins: SharedLogins | None = None
) -> Access:
    """Everything about access. Without htpasswd and access file everyone may do everything, as with registry:2.

    `traffic` counts failed logins and what the verifier remembered; `logins` is what all workers share.
    """
    audit, failures = open_audit_logs(settings.audit_log)
    checks: dict[str, Callable[[], str | None]] = {}
    rules = _build_rules(settings.access_file, with_users=settings.htpasswd is not None, checks=checks)
    if audit is not None and failures is not None:
        checks["audit"] = lambda: audit.problem or failures.problem
    if settings.htpasswd is None:
        return Access(Authorizer(Authenticator(None), rules), audit, checks)
    users = WatchedFile(settings.htpasswd.path, parse_htpasswd, fallback=Users())
    checks["users"] = lambda: users.why_stale() or "; ".join(users.current().problems) or None
    remembered = traffic.login_remembered if traffic is not None else lambda _: None
    authenticator = Authenticator(
        Verifier(
            users.current,
            users.latest,
            shared=logins,
            places=Places.among(settings.threads),
            before_waiting=give_way,
            on_lookup=remembered,
        ),
        realm=settings.htpasswd.realm,
        on_failure=_failure_recorder(failures, traffic),
    )
    return Access(Authorizer(authenticator, rules), audit, checks)


def _build_rules(
    file: Path | None, *, with_users: bool, checks: dict[str, Callable[[], str | None]]
) -> Callable[[], Rules]:
    if file is None:
        return lambda: EVERY_USER_EVERYTHING if with_users else ANYONE_EVERYTHING
    watched = WatchedFile(file, _parse_access_file, fallback=NOBODY)
    checks["access"] = watched.why_stale
    return watched.current


def _parse_access_file(content: bytes) -> Rules:
    # Loading what checks it takes a third of a start's time, and most registries have no such file.
    from registry_app.auth.access_file import parse_access_file  # noqa: PLC0415

    return parse_access_file(content)


def open_audit_logs(path: Path | None) -> tuple[AuditLog, AuditLog] | tuple[None, None]:
    """The log of writes and deletes, and that of failed logins beside it, `audit.logins.log`.

    Each has its own bound: however many guesses strangers make, they push no write and no delete out.
    """
    if path is None:
        return None, None
    return AuditLog(path), AuditLog(path.with_name(f"{path.stem}.logins{path.suffix}"))


def _failure_recorder(log: AuditLog | None, traffic: Traffic | None) -> Callable[[LoginFailure], None]:
    def record(failed: LoginFailure) -> None:
        if traffic is not None:
            traffic.login_failed(failed.user, failed.address)
        if log is not None:
            log.record("login", user=failed.user, address=failed.address, result=failed.reason)

    return record
