"""A Docker Engine with Compose and the stack's base images, for the live tests: up, status, stop.

Exit codes: 0 it answers (or was stopped), 1 it cannot be had here (the reason is the last line), 2 wrong usage.
"""

from __future__ import annotations

import fcntl
import sys
from typing import TYPE_CHECKING

from . import daemon, images, plugins
from .machine import MachineError, cache_folder, say

if TYPE_CHECKING:
    from collections.abc import Callable


def up() -> None:
    """Make engine, Compose and images answer."""
    with (cache_folder() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test runs may start at once
        daemon.ensure()
        plugins.ensure()
        for missing in images.ensure():
            say(f"{missing.name} cannot be had here: what needs it is checked statically only")
    say("ready")


def status() -> None:
    """Tell what answers, changing nothing."""
    say(f"Docker Engine {daemon.version()}, Compose {plugins.compose_version()}")


def stop() -> None:
    """End the daemon that `up` started."""
    say("stopped" if daemon.stop() else "no engine of ours runs")


_COMMANDS: dict[str, Callable[[], None]] = {"up": up, "status": status, "stop": stop}


def main(arguments: list[str]) -> int:
    """Run one command; returns the exit code."""
    command = _COMMANDS.get(arguments[0] if arguments else "up")
    if command is None or len(arguments) > 1:
        sys.stderr.write("usage: scripts/engine [up | status | stop]\n")
        return 2
    try:
        command()
    except MachineError as problem:
        sys.stderr.write(f"engine: {problem}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
