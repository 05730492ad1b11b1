"""A stack as its user has it: the folder, Compose in it, and the docker client that talks to it."""

from __future__ import annotations

import base64
import http.client
import json
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from testcontainers.compose import DockerCompose

from stackgen.env_file import load_settings
from stackgen.folder import StackFolder
from stackgen.settings import StackSettings


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back over HTTP."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, object]:
        parsed: dict[str, object] = json.loads(self.body)
        return parsed


@dataclass(frozen=True)
class LiveStack:
    """A stack folder that `stackgen init` wrote, and whose containers run."""

    folder: Path
    introduction: str  # what init printed
    user_config: Path

    @property
    def settings(self) -> StackSettings:
        return load_settings(StackFolder(self.folder))

    @property
    def authority(self) -> str:
        """What stands before the repository in the name of an image."""
        return self.settings.authority

    @property
    def user(self) -> str:
        return self.settings.registry_admin_user

    @property
    def password(self) -> str:
        return (self.folder / "secrets" / "admin_password").read_text().strip()

    @property
    def certificate(self) -> Path:
        return self.folder / "certs" / "ca.crt"

    @property
    def registry_image(self) -> str:
        config = json.loads(self.compose("config", "--format", "json").stdout)
        return str(config["services"]["registry"]["image"])

    def compose(self, *arguments: str, within: float = 120) -> subprocess.CompletedProcess[str]:
        """What `docker compose ARGUMENTS` in the stack's folder gives; it must end well."""
        return succeed(["docker", "compose", *arguments], within=within, cwd=self.folder)

    def docker(self, *arguments: str, stdin: str = "", within: float = 120) -> subprocess.CompletedProcess[str]:
        """What `docker ARGUMENTS` gives, as a user with logins of their own; it must end well."""
        return _checked(self.try_docker(*arguments, stdin=stdin, within=within))

    def try_docker(self, *arguments: str, stdin: str = "", within: float = 120) -> subprocess.CompletedProcess[str]:
        """What `docker ARGUMENTS` gives, well or not."""
        return _run(["docker", *arguments], stdin=stdin, within=within, env=self._environment())

    def login(self) -> None:
        """Log the docker client in as the first user."""
        self.docker("login", "--username", self.user, "--password-stdin", self.authority, stdin=self.password)

    def ask(self, path: str, *, method: str = "GET", headers: Mapping[str, str] | None = None) -> Answer:
        """The answer to one request as the first user, over TLS that must be signed by the stack's own CA."""
        token = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return self.ask_as_stranger(path, method=method, headers={"Authorization": f"Basic {token}", **(headers or {})})

    def ask_as_stranger(self, path: str, *, method: str = "GET", headers: Mapping[str, str] | None = None) -> Answer:
        """The answer to one request without credentials, over TLS that must be signed by the stack's own CA."""
        trust = ssl.create_default_context(cafile=str(self.certificate))
        connection = http.client.HTTPSConnection(self.settings.host, self.settings.port, context=trust, timeout=30)
        return ask(connection, path, method=method, headers=headers)

    def partial_answers(self) -> list[int]:
        """How many bytes each answer had in which nginx sent a part of a blob, oldest first."""
        lines = self.compose("logs", "--no-log-prefix", "nginx").stdout.splitlines()
        served = [json.loads(line) for line in lines if line.startswith('{"time"')]
        return [int(one["sent"]) for one in served if one["status"] == "206"]

    def _environment(self) -> dict[str, str]:
        # The logins lie apart from those of whoever runs the tests, the engine is the same.
        endpoint = (
            os.environ.get("DOCKER_HOST")
            or succeed(
                ["docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"], within=20
            ).stdout.strip()
        )
        return {**os.environ, "DOCKER_CONFIG": str(self.user_config), "DOCKER_HOST": endpoint}


def ask(
    connection: http.client.HTTPConnection, path: str, *, method: str = "GET", headers: Mapping[str, str] | None = None
) -> Answer:
    """The answer to one request."""
    try:
        connection.request(method, path, headers=dict(headers or {}))
        response = connection.getresponse()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
    finally:
        connection.close()


def init_stack(folder: Path, *, host: str = "localhost", more: Sequence[str] = (), **settings: str) -> LiveStack:
    """The stack that `stackgen init --yes` writes into `folder`, with more options if given; nothing runs yet."""
    if certificates := os.environ.get("PIP_CERT"):
        settings.setdefault("BUILD_EXTRA_CA", certificates)
    options = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    command = [sys.executable, "-m", "stackgen", "init", folder, "--yes", "--domain", host, *options, *more]
    introduction = succeed(command, within=60).stdout
    user_config = folder.with_name(f"{folder.name}-docker-config")
    user_config.mkdir()
    return LiveStack(folder, introduction, user_config)


@contextmanager
def running_stack(folder: Path, *, host: str = "localhost", **settings: str) -> Iterator[LiveStack]:
    """A stack made in `folder` and started by testcontainers; containers, volumes and images go at the end."""
    stack = init_stack(folder, host=host, **settings)
    compose = DockerCompose(folder, wait=True)
    try:
        try:
            compose.start()
        except subprocess.CalledProcessError as failed:
            state = stack.compose("ps", "--all").stdout + stack.compose("logs", "--tail", "60").stdout
            raise AssertionError(f"the stack does not start\n{failed.stderr.decode()[-4000:]}\n{state}") from None
        yield stack
    finally:
        stack.compose("down", "--volumes", "--remove-orphans", "--timeout", "20")


def succeed(
    argv: Sequence[str | Path], *, within: float, cwd: Path | None = None, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """What a command gives that must end well in time."""
    return _checked(_run([str(word) for word in argv], stdin=stdin, within=within, cwd=cwd))


def _run(
    argv: list[str], *, within: float, stdin: str = "", cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv, input=stdin, capture_output=True, text=True, timeout=within, check=False, cwd=cwd, env=env
    )


def _checked(done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    assert done.returncode == 0, f"{done.args} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done
