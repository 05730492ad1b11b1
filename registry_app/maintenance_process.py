"""The process of its own in which scheduled collections, scrubs and purges run.

In a thread of a worker they would share its interpreter with every request that it serves. So that thread only looks
whether something is due, and starts this module, which gets the worker's settings over its standard input and ends with
the worker, however that ends: then the input ends too. A run that is cut off harms nothing.
"""

from __future__ import annotations

import logging
import logging.config
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from registry_app.gc.schedule import find_due, run_due
from registry_app.logs import logging_configuration
from registry_app.maintenance import schedule_of
from registry_app.storage import open_storage

if TYPE_CHECKING:
    from registry_app.gc.schedule import Schedule
    from registry_app.settings import RegistrySettings
    from registry_app.storage import Storage

log = logging.getLogger("registry.gc")
_LOOK_EVERY = 15.0  # seconds
_LONGEST_PAUSE = 3600.0  # seconds
_PACKAGES = Path(__file__).parent.parent


def start_maintenance(storage: Storage, settings: RegistrySettings) -> None:
    """Looks for due runs from a thread of this worker process, as long as it lives."""
    threading.Thread(target=_look_now_and_then, args=(storage, settings), name="maintenance", daemon=True).start()


def _look_now_and_then(storage: Storage, settings: RegistrySettings) -> None:
    schedule, pause = schedule_of(settings), _LOOK_EVERY
    while True:
        time.sleep(pause)
        # What is due again at once, as it could not begin or be recorded, is tried less and less often.
        pause = _LOOK_EVERY if _in_order(storage, settings, schedule) else min(pause * 2, _LONGEST_PAUSE)


def _in_order(storage: Storage, settings: RegistrySettings, schedule: Schedule) -> bool:
    """Runs what is due; whether nothing is afterwards."""
    try:
        if not find_due(storage, schedule):
            return True
        run_apart(settings)
        return not find_due(storage, schedule)
    except OSError as error:  # of the disk, or no room for another process
        log.error("maintenance could not begin, it is tried again: %s: %r", error.strerror, error.filename)  # noqa: TRY400
        return False


def run_apart(settings: RegistrySettings) -> None:
    """Runs what is due in a process of its own, and waits for its end."""
    root = settings.storage.root.resolve()
    told = pickle.dumps(replace(settings, storage=replace(settings.storage, root=root)))
    # The working directory of the service is nobody's place to import from.
    command = [sys.executable, "-m", "registry_app.maintenance_process"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, cwd=_PACKAGES) as process:
        if process.stdin is not None:
            process.stdin.write(told)
            process.stdin.flush()
        status = process.wait()  # with the input open: its end is the end of the process
    if status:
        log.warning("maintenance was cut off (%s): it is tried again", _way_out(status))


def _way_out(status: int) -> str:
    return f"exit code {status}" if status > 0 else signal.Signals(-status).name


def main() -> None:
    """Runs once what is due, for the worker that started this."""
    # Of a terminal; the worker has requests to finish first, and then ends this.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    settings: RegistrySettings = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the worker, over a pipe of its own
    threading.Thread(target=_end_with_the_worker, daemon=True).start()
    logging.config.dictConfig(logging_configuration(settings.log))
    try:
        storage = open_storage(settings.storage.root, reserve_bytes=settings.storage.reserve)
    except OSError as error:
        log.error("the storage can't be opened: %s: %r", error.strerror, error.filename)  # noqa: TRY400
        raise SystemExit(1) from None
    run_due(storage, schedule_of(settings))


def _end_with_the_worker() -> None:
    os.read(0, 1)  # not by way of sys.stdin, whose lock the end of the interpreter wants
    os._exit(1)


if __name__ == "__main__":
    main()
