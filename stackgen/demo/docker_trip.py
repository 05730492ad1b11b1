"""The same way with the docker client: build, log in, push, remove, pull."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from stackgen import docker
from stackgen.errors import StackgenError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from registry_app.oci.digests import Digest
    from stackgen.distribution.addresses import Address
    from stackgen.distribution.logins import Login

_SECONDS = 120


def find_obstacle() -> docker.Trouble | None:
    """Why this user can't use a Docker Engine and Compose here; None where both answer."""
    return next(docker.find_obstacles(), None)


@dataclass(frozen=True, slots=True)
class DockerTrip:
    """One image on its way through the engine; the logins of the user stay as they are."""

    address: Address
    login: Login

    def push(self, path: str, text: str) -> None:
        """Build an image that holds `text` at `path`, and push it."""
        with TemporaryDirectory() as context:
            (Path(context) / path).write_text(text, encoding="utf-8")
            (Path(context) / "Dockerfile").write_text(f'FROM scratch\nCOPY {path} /{path}\nCMD ["/{path}"]\n')
            _run("build", "--quiet", "--tag", str(self.address), context)
        self._as_user("push", "--quiet", str(self.address))

    def pull(self, digest: Digest) -> None:
        """Remove the image from the engine and pull it again by digest, which the engine checks layer by layer."""
        pinned = f"{self.address.name}@{digest}"
        _run("image", "rm", "--force", str(self.address))
        self._as_user("pull", "--quiet", pinned)
        known = _run("image", "inspect", "--format", '{{join .RepoDigests " "}}', pinned).split()
        _run("image", "rm", "--force", pinned)
        if pinned not in known:
            raise StackgenError(f"{pinned} was pulled, and the engine calls it {known}", hint="please report this")

    def _as_user(self, *arguments: str) -> str:
        """Run docker with this login alone, which is forgotten afterwards."""
        with TemporaryDirectory() as folder:
            environment = {**os.environ, "DOCKER_HOST": _endpoint(), "DOCKER_CONFIG": folder}
            _run(
                "login", "--username", self.login.user, "--password-stdin", self.address.host,
                stdin=self.login.password, environment=environment,
            )  # fmt: skip
            return _run(*arguments, environment=environment)


def _endpoint() -> str:
    """The engine that the user's own configuration means; another DOCKER_CONFIG would forget it."""
    return os.environ.get("DOCKER_HOST") or _run("context", "inspect", "--format", "{{.Endpoints.docker.Host}}").strip()


def _run(*arguments: str, stdin: str = "", environment: Mapping[str, str] | None = None) -> str:
    """Standard output of a docker command; raises StackgenError where it fails."""
    answer = docker.ask(*arguments, given=stdin, environ=environment, seconds=_SECONDS)
    if not answer.ok:
        trouble = docker.find_trouble(answer)
        raise StackgenError(
            f"`docker {arguments[0]}` failed: {trouble.message}", hint=f"{trouble.remedy}; --embedded does without"
        )
    return answer.out
