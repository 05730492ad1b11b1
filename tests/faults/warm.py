"""Starts of the service without the half second of imports, for runs that start it hundreds of times.

A process that has imported the service waits for orders; each start is a fork of it, in a session of its own, that
runs the command as a shell would. `python -m tests.faults.warm` is that process.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path


class Forked:
    """A process that is no child of ours: what `Popen` tells, by a file descriptor of the process."""

    def __init__(self, pid):
        self.pid, self._descriptor = pid, None
        with suppress(ProcessLookupError):
            self._descriptor = os.pidfd_open(pid)

    def __del__(self):
        if self._descriptor is not None:
            os.close(self._descriptor)

    def poll(self):
        """None while it runs."""
        return self._ended(0)

    def wait(self, timeout):
        """Returns when it has ended; TimeoutExpired (seconds)."""
        if self._ended(timeout) is None:
            raise subprocess.TimeoutExpired("registry", timeout)

    def send_signal(self, number):
        """Sends a signal, if it still runs."""
        if self._descriptor is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._descriptor, number)

    def _ended(self, seconds):
        ended = self._descriptor is None or select.select([self._descriptor], [], [], seconds)[0]
        return 0 if ended else None


def start_warm(arguments, log):
    """Runs `registry` with these arguments, its output at the end of a log."""
    waiting = _waiting_process()
    waiting.stdin.write(json.dumps({"arguments": [str(one) for one in arguments], "log": str(log)}) + "\n")
    waiting.stdin.flush()
    return Forked(int(waiting.stdout.readline()))


@cache
def _waiting_process():
    """Ends with us: it reads its orders from a pipe of ours."""
    waiting = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.warm"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent.parent,
        env={name: value for name, value in os.environ.items() if not name.startswith("REGISTRY_")},
        start_new_session=True,
    )
    atexit.register(waiting.communicate)
    return waiting


def _run(order):
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    from registry_app.cli import main

    main(order["arguments"])


def wait_for_orders():
    """Forks once for each line on the standard input, and answers with the process's id."""
    import registry_app.server

    registry_app.server.__name__  # noqa: B018 - imported for its children
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries them
    for line in sys.stdin:
        if pid := os.fork():
            print(pid, flush=True)
        else:
            _run(json.loads(line))
            return


if __name__ == "__main__":
    wait_for_orders()
