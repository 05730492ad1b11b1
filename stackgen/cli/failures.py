"""What people see when a command can't do its work."""

from __future__ import annotations

import errno
import os
import platform
import sys
import tempfile
import traceback
from pathlib import Path

from stackgen import __version__
from stackgen.cli.terminal import error as say_error
from stackgen.drafts import no_room
from stackgen.errors import ExitCode, StackgenError


def report(error: Exception) -> int:
    """Prints an error and its remedy; the exit code."""
    match error:
        case StackgenError():
            say_error(error.message, error.hint)
            return int(error.exit_code)
        case PermissionError():
            say_error(f"{error.filename or 'a file'}: permission denied", "look at its owner and mode, or use sudo")
            return ExitCode.REFUSED
        case OSError(errno=errno.ENOSPC | errno.EDQUOT) if error.filename:
            return report(no_room(error, Path(error.filename)))
        case OSError() if error.filename or error.errno:
            place = f"{error.filename}: " if error.filename else ""
            say_error(f"{place}{error.strerror or error}", "mend that, then run the command again")
            return ExitCode.REFUSED
        case _:
            return _report_bug(error)


def _report_bug(error: Exception) -> int:
    """Keeps the traceback in a file of the user's own; prints where it is."""
    descriptor, path = tempfile.mkstemp(prefix="stackgen-bug-", suffix=".txt")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f"stackgen {__version__}, Python {platform.python_version()}, {platform.platform()}\n")
        file.write(f"command: {' '.join(sys.argv[1:2])}\n\n")
        file.writelines(traceback.format_exception(error))
    say_error(f"a bug in stackgen: {type(error).__name__}", f"please report it with the file {path}")
    return ExitCode.BUG
