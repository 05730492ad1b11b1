"""What people see when a command can't do its work."""

from __future__ import annotations

import errno
import os
import platform
import sys
import tempfile
import traceback
from pathlib import Path

from registry_app.plain_text import plain
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
        case OSError() if error.filename or error.errno:
            return report(_refusal(error))
        case _:
            return _report_bug(error)


def _refusal(error: OSError) -> StackgenError:
    """What went wrong with a file, and what to do."""
    # Of a rename the second one is the place that people know; the first is a draft of ours.
    place = f"{error.filename2 or error.filename}: " if error.filename else ""
    match error:
        case PermissionError():
            return StackgenError(f"{place}permission denied", hint="look at its owner and mode, or use sudo")
        case OSError(errno=errno.ENOSPC | errno.EDQUOT) if error.filename:
            return no_room(error, Path(error.filename))
        case OSError(errno=errno.ENOSPC | errno.EDQUOT | errno.EIO | errno.EFBIG) if not error.filename:
            # Every file that is written here is named in its error: this was the standard output.
            return StackgenError(f"the output can't be written: {error.strerror}", hint="see where it is sent to")
        case FileNotFoundError() if not error.filename:
            return StackgenError("the folder you are in is gone", hint="cd to another one, then run the command again")
        case _:
            return StackgenError(f"{place}{error.strerror or error}", hint="mend that, then run the command again")


def _report_bug(error: Exception) -> int:
    """Keeps the traceback in a file of the user's own; prints where it is."""
    try:
        descriptor, path = tempfile.mkstemp(prefix="stackgen-bug-", suffix=".txt")
    except OSError:
        say_error(
            f"a bug in stackgen: {type(error).__name__}", "please report it; with a writable TMPDIR there are details"
        )
        return ExitCode.BUG
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f"stackgen {__version__}, Python {platform.python_version()}, {platform.platform()}\n")
        file.write(f"command: {' '.join(sys.argv[1:2])}\n\n")
        file.writelines(map(plain, traceback.format_exception(error)))
    say_error(f"a bug in stackgen: {type(error).__name__}", f"please report it with the file {path}")
    return ExitCode.BUG
