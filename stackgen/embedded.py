"""Who serves a stack without Docker right now: a file with the process's number that it holds locked while it lives."""

from __future__ import annotations

import contextlib
import fcntl
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stackgen.drafts import drafting
from stackgen.errors import StackgenError
from stackgen.ownership import give_to_owner
from stackgen.shell import shell_line, stackgen_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stackgen.folder import StackFolder


@contextlib.contextmanager
def presence(folder: StackFolder) -> Iterator[None]:
    """Names this process as the one that serves the stack; StackgenError while another one does.

    The file goes at the end. One that a crash left is locked by nobody, which is how it is told from a living one.
    """
    descriptor = os.open(folder.serve_pid, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    owner = os.getpid()
    try:
        give_to_owner(folder.serve_pid)
        if not _lock(descriptor):
            other = os.read(descriptor, 32).decode("ascii", "replace").strip()
            raise StackgenError(
                f"process {other} serves this stack already", hint=f"stop it first: {shell_line('kill', other)}"
            )
        with drafting(folder.serve_pid):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{owner}\n".encode())
        try:
            yield
        finally:
            # The workers are forked from here and leave by the same way; the file is not theirs.
            if os.getpid() == owner:
                folder.serve_pid.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Embedded:
    """What is known of a stack without Docker: the process that serves it, or the one that ended without a word."""

    process: int | None = None
    ended: int | None = None
    used: bool = False
    """Whether it was ever served like that."""
    start: str = ""
    """What to type to serve it again."""


def find_embedded(folder: StackFolder) -> Embedded:
    """How the stack fares without Docker."""
    used, start = folder.embedded_config.is_file(), stackgen_line(folder, "serve")
    try:
        descriptor = os.open(folder.serve_pid, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return Embedded(used=used, start=start)
    try:
        alone = _lock(descriptor)
        process = int(os.read(descriptor, 32))
    except ValueError:
        return Embedded(used=used, start=start)
    finally:
        os.close(descriptor)
    return Embedded(None if alone else process, process if alone else None, used, start)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
