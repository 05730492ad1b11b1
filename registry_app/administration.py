"""The trace of acts of people who administer a registry or a stack: who did what, with what result."""

from __future__ import annotations

import getpass
import os
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

from registry_app.auth.audit import AuditLog

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def record_act(log: Path, event: str, *, subject: str, result: str = "done") -> None:
    """Adds a line to the audit log `log`."""
    AuditLog(log).record(event, user=_operator(), address=socket.gethostname(), result=result, subject=subject)


@contextmanager
def recorded(log: Path | None, event: str, *, subject: str) -> Iterator[None]:
    """An act without a journal: a line before it, so that a kill hides nothing, and one that tells how it ended.

    Nothing is written without a log.
    """
    if log is None:
        yield
        return
    record_act(log, event, subject=subject, result="begun")
    try:
        yield
    except BaseException:
        record_act(log, event, subject=subject, result="failed")
        raise
    record_act(log, event, subject=subject)


def _operator() -> str:
    """The person at the keyboard, also behind sudo."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
