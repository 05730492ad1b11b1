"""The docker command: the one place that runs it, and that says in our words why it failed and what to type."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stackgen.errors import StackgenError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from stackgen.folder import StackFolder

SECONDS = 30.0
"""Patience with a command that asks; an engine that is slower is not well."""
_NOT_FOUND, _TOO_LATE = 127, 124
_WORDS = 300
_USAGE = re.compile(r"\n\s*(?:Usage:|See 'docker|Run 'docker)")


@dataclass(frozen=True, slots=True)
class Answer:
    """How a docker command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def ok(self) -> bool:
        """Whether it did what it was asked to."""
        return self.code == 0


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why docker could not do something, and the way out."""

    message: str
    remedy: str


ABSENT = Trouble(
    "Docker is not installed here",
    "install it: https://docs.docker.com/engine/install/ (or, without it: stackgen serve)",
)
NO_COMPOSE = Trouble(
    "Docker's Compose plugin is not installed here",
    "apt-get install docker-compose-plugin (Debian: docker-compose)",
)
_NOT_ALLOWED = Trouble("you may not use Docker yet", 'sudo usermod -aG docker "$USER", then log in again')
SILENT = Trouble(
    "the Docker Engine does not answer",
    "sudo systemctl start docker; and is DOCKER_HOST, or the docker context, right?",
)
_BAD_FILES = Trouble(
    "Compose can't read this stack's files",
    "stackgen render writes compose.yaml anew; compose.override.yaml is yours: docker compose config",
)
_NO_ENGINE = Trouble(
    "DOCKER_HOST, or the docker context, names no engine",
    "see: docker context ls; then: unset DOCKER_HOST, or docker context use NAME",
)
_FULL = Trouble("Docker has no space left on its disk", "make room: docker system df; docker builder prune")
_TABLE = {
    r"permission denied.*(docker|\.sock)": _NOT_ALLOWED,
    r"is not a docker command|unknown (shorthand )?flag|unknown command": NO_COMPOSE,
    r"context not found|unable to parse docker host|invalid bind address": _NO_ENGINE,
    r"(cannot|failed to) connect to the docker|error during connect|unable to resolve docker endpoint": SILENT,
    r"no such host|connection refused|i/o timeout|deadline exceeded|tls: ": SILENT,
    r"no configuration file provided|\byaml: |additional prop|undefined (volume|network)|no such service": _BAD_FILES,
    r"required variable|failed to read .*\.env|unexpected character .* in variable name": _BAD_FILES,
    r"no space left on device": _FULL,
}
"""What docker says, in several of its versions → what it means. The first that is found counts."""
_CLEAR = {NO_COMPOSE, _NOT_ALLOWED}
"""To these docker's own words add nothing."""


def installed() -> bool:
    """Whether there is a docker command on the PATH."""
    return shutil.which("docker") is not None


def ask(
    *arguments: str,
    cwd: Path | None = None,
    environ: Mapping[str, str] | None = None,
    given: str = "",
    seconds: float | None = SECONDS,
) -> Answer:
    """What a docker command says; a missing command, and one that takes too long, are answers too."""
    try:
        done = subprocess.run(
            ["docker", *arguments],
            cwd=cwd,
            env=environ,
            input=given,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Answer(_TOO_LATE, "", f"`docker {arguments[0]}` did not end within {seconds:g} s")
    except OSError as error:
        if isinstance(error, FileNotFoundError) and error.filename == "docker":
            return Answer(_NOT_FOUND, "", "")
        # Not the error's own text: it may hold what was given.
        return Answer(_NOT_FOUND, "", f"docker can't be run: {error.strerror}")
    return Answer(done.returncode, done.stdout, done.stderr)


def compose(folder: StackFolder, *arguments: str, given: str = "", seconds: float = SECONDS) -> Answer:
    """What `docker compose` says of a stack."""
    return ask("compose", *arguments, cwd=folder.root, given=given, seconds=seconds)


def run_compose(folder: StackFolder, *arguments: str) -> bool:
    """Runs `docker compose` for a stack with its output where ours goes; whether it succeeded."""
    return subprocess.run(["docker", "compose", *arguments], cwd=folder.root, check=False).returncode == 0


def show_compose(folder: StackFolder, *arguments: str) -> bool:
    """Runs `docker compose` for a stack with its output on standard error; whether it succeeded."""
    # Not on standard output: whoever reads that may go away, and the stack shall come up all the same.
    return subprocess.run(["docker", "compose", *arguments], cwd=folder.root, stdout=2, check=False).returncode == 0


def find_trouble(answer: Answer) -> Trouble:
    """Why a command that failed did so: in our words where they are known, with its own behind them."""
    told = words(answer)
    if answer.code == _NOT_FOUND and not told:
        return ABSENT
    known = next((trouble for pattern, trouble in _TABLE.items() if re.search(pattern, told, re.IGNORECASE)), None)
    if answer.code == _TOO_LATE:
        known = SILENT
    if known is None:
        return Trouble(told[-_WORDS:] or f"docker ended with code {answer.code} and without a word", "stackgen doctor")
    remedy = "start it, or: unset DOCKER_HOST" if known is SILENT and os.environ.get("DOCKER_HOST") else known.remedy
    return Trouble(known.message if known in _CLEAR else f"{known.message}: {told[:_WORDS]}", remedy)


def refusal(answer: Answer) -> StackgenError:
    """The error for a docker command that failed."""
    trouble = find_trouble(answer)
    return StackgenError(trouble.message, hint=trouble.remedy)


def find_obstacles(*, seconds: float = SECONDS) -> Iterator[Trouble]:
    """What keeps this user from using Docker and Compose here."""
    for question in (("version", "--format", "{{.Server.Version}}"), ("compose", "version")):
        answer = ask(*question, seconds=seconds)
        if not answer.ok:
            yield find_trouble(answer)
        if answer.code == _NOT_FOUND:
            return


def words(answer: Answer) -> str:
    """What it said of a failure, on one line and without the page on its usage."""
    return " ".join(_USAGE.split(answer.err)[0].split())
