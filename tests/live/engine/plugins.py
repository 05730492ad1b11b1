"""The Compose and Buildx plugins of the docker client."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from . import debian
from .machine import MachineError, answers, require_debian_root, run, say


def ensure() -> None:
    """Make `docker compose` and `docker buildx` answer, for this user."""
    for name in ("compose", "buildx"):
        if not answers(["docker", name, "version"]):
            require_debian_root()
            _add(name)
    say(f"Compose {compose_version()} answers")


def compose_version() -> str:
    """The version of the Compose plugin that answers."""
    return run(["docker", "compose", "version", "--short"], within=20).strip()


def _add(name: str) -> None:
    program = debian.unpack(f"docker-{name}", "sid") / f"usr/libexec/docker/cli-plugins/docker-{name}"
    folder = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "cli-plugins"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy2(program, folder / program.name)
    if not answers(["docker", name, "version"]):
        raise MachineError(f"Debian's docker-{name} does not run here")
