"""Ctrl-C before a command has begun and after it has ended. Imports next to nothing, to be there at once."""

import os
import signal

INTERRUPTED = 130
"""Exit code, as a shell tells of SIGINT."""


def leave_quietly() -> None:
    """From now on Ctrl-C ends the process at once and without a word: nothing has begun, or all is done."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))


def raise_again() -> None:
    """From now on Ctrl-C is KeyboardInterrupt."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
