"""How the engine's set-up runs a command and where it keeps what it downloaded.

Standard library alone: this runs before there is a virtual environment.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_STARTED = time.monotonic()


class MachineError(Exception):
    """What could not be had on this machine, and why."""


def cache_folder() -> Path:
    """The folder of everything downloaded or made, kept from run to run."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(base) / "stackgen-engine"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def say(message: str) -> None:
    """Print one line of progress with the seconds since the start."""
    sys.stdout.write(f"engine: {time.monotonic() - _STARTED:5.1f} s  {message}\n")
    sys.stdout.flush()


def run(argv: Sequence[str | Path], *, within: float, stdin: str = "") -> str:
    """The standard output of a command that must end well `within` seconds.

    Raises MachineError with the end of its output when it does not.
    """
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(words, input=stdin, capture_output=True, text=True, timeout=within, check=False)
    except FileNotFoundError:
        raise MachineError(f"{words[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise MachineError(f"no end of `{' '.join(words)}` within {within:.0f} s") from None
    if done.returncode:
        end = "\n".join((done.stdout + done.stderr).strip().splitlines()[-40:])
        raise MachineError(f"`{' '.join(words)}` ended with {done.returncode}:\n{end}")
    return done.stdout


def answers(argv: Sequence[str | Path], *, within: float = 20) -> bool:
    """Whether a command can be run here and ends well."""
    try:
        run(argv, within=within)
    except MachineError:
        return False
    return True


def require_debian_root() -> None:
    """Raise MachineError where nothing can be installed by us: not Debian, or not root."""
    release = Path("/etc/os-release")
    if not release.exists() or "ID=debian" not in release.read_text().splitlines():
        raise MachineError(
            "this is no Debian: install Docker Engine 25 or newer with its Compose plugin, then run this again"
        )
    if os.geteuid() != 0:
        raise MachineError("installing Docker Engine needs root: run `sudo scripts/engine`, or start the one you have")
