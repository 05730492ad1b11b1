"""The trace of administrative acts: who ran which command of the tool on a stack, with what result."""

from __future__ import annotations

import getpass
import os
import socket
from typing import TYPE_CHECKING

from registry_app.auth.audit import AuditLog

if TYPE_CHECKING:
    from stackgen.folder import StackFolder


def record(folder: StackFolder, event: str, *, subject: str, result: str = "done") -> None:
    """Adds a line to `.stackgen/audit.log`, in the form of the registry's own audit log."""
    log = AuditLog(folder.audit_log)
    log.record(event, user=_operator(), address=socket.gethostname(), result=result, subject=subject)


def _operator() -> str:
    """The person at the keyboard, also behind sudo."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
