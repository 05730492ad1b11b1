"""A consumer of a published stack: an empty folder with an `.env`, Compose, and the docker client."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.live.stack import LiveStack, ask, succeed  # noqa: F401

_PASSWORD, _AUTHORITY = "/stack/keep/admin_password", "/stack/certs/ca.crt"


@dataclass(frozen=True)
class Consumer:
    """Runs `docker compose -f oci://…` as somebody who has nothing but an `.env` and a login at the registry."""

    live: LiveStack
    """The consumer's own stack once it runs: its folder, and a docker client with logins apart."""
    project: str
    trust: Path
    """Authorities that Compose's own client trusts, as after update-ca-certificates."""

    @property
    def folder(self) -> Path:
        return self.live.folder

    def write_env(self, **settings: str) -> None:
        """The whole `.env`."""
        (self.folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))

    def try_compose(self, *arguments: str, within: float = 150) -> subprocess.CompletedProcess[str]:
        """What `docker compose ARGUMENTS` gives in the folder, well or not."""
        environment = {**self.live._environment(), "SSL_CERT_FILE": str(self.trust)}
        return subprocess.run(
            ["docker", "compose", *arguments],
            cwd=self.folder, env=environment, capture_output=True, text=True, timeout=within, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def compose(self, *arguments: str, within: float = 150) -> str:
        """What it prints; it must end well."""
        done = self.try_compose(*arguments, within=within)
        assert done.returncode == 0, f"{done.args}:\n{done.stdout}\n{done.stderr}\n{self.logs()}"
        return done.stdout

    def up(self, artifact: str, *more: str) -> None:
        """The command of the documentation; -y because nobody sits before it."""
        self.compose("-f", artifact, "--env-file", ".env", "up", "-d", "--wait", "-y", *more)

    def down(self, *more: str) -> None:
        """Stop and remove the containers; the volumes stay unless told."""
        succeed(["docker", "compose", "-p", self.project, "down", "--timeout", "20", *more], within=120)

    def logs(self) -> str:
        """The last lines of every container."""
        command = ["docker", "compose", "-p", self.project, "logs", "--tail", "15"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return done.stdout + done.stderr

    def fetch_first_secrets(self) -> None:
        """The two commands that init prints: the first password and the authority, copied into the folder."""
        said = self.logs()
        for place, target in ((_PASSWORD, "secrets/admin_password"), (_AUTHORITY, "certs/ca.crt")):
            match = re.search(rf"docker cp (\S+:{place}) \.", said)
            assert match, said
            (self.folder / target).parent.mkdir(exist_ok=True)
            succeed(["docker", "cp", match[1], self.folder / target], within=30)


def trust_of(*authorities: Path, target: Path) -> Path:
    """One file with the system's authorities and these."""
    system = Path(os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"))
    target.write_bytes(b"\n".join(path.read_bytes() for path in (system, *authorities) if path.exists()))
    return target
