"""Other people's clients as they come from Debian, pointed at a live stack."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from stackgen.demo.image import MANIFEST_TYPE, Image
from tests.live.engine import debian
from tests.live.engine.machine import MachineError, require_debian_root
from tests.live.stack import LiveStack

# Programs that this machine's own Debian lacks: the package and the newer release that has it.
_NEWER = {
    "oras": ("oras", "sid"),
    "crane": ("crane", "sid"),
    "cosign": ("cosign", "sid"),
}


@dataclass(frozen=True, slots=True)
class Clients:
    """Runs clients with a home of their own, which trusts the stack's CA and knows no login."""

    stack: LiveStack
    home: Path

    def run(self, *words: str | Path, stdin: str = "", within: float = 60) -> str:
        """Standard output of a client, which must end well."""
        done = self.attempt(*words, stdin=stdin, within=within)
        assert done.returncode == 0, f"{words} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def attempt(self, *words: str | Path, stdin: str = "", within: float = 60) -> subprocess.CompletedProcess[str]:
        """What a client gives, well or not."""
        program, *arguments = (str(word) for word in words)
        return subprocess.run(
            [_find(program), *arguments], input=stdin, capture_output=True, text=True, timeout=within, check=False,
            cwd=self.home, env=self._environment(),
        )  # fmt: skip

    @contextmanager
    def start(self, *words: str | Path) -> Iterator[None]:
        """A service that runs for a while; its log lies at home."""
        program, *arguments = (str(word) for word in words)
        with (self.home / f"{program}.log").open("wb") as log:
            service = subprocess.Popen(
                [_find(program), *arguments], stdout=log, stderr=log, cwd=self.home, env=self._environment()
            )
        try:
            yield
        finally:
            service.terminate()
            service.wait(20)

    def name(self, reference: str) -> str:
        """The full name of an image in the stack's registry."""
        return f"{self.stack.authority}/{reference}"

    def _environment(self) -> Mapping[str, str]:
        inherited = {name: os.environ[name] for name in ("PATH", "LANG", "TERM") if name in os.environ}
        return {
            **inherited,
            "HOME": str(self.home),
            "DOCKER_CONFIG": str(self.home / ".docker"),
            "REGISTRY_AUTH_FILE": str(self.home / ".docker" / "config.json"),
            "SSL_CERT_FILE": str(self.stack.certificate),
            "COSIGN_PASSWORD": "",
        }


def _find(program: str) -> str:
    """Where a client is; it comes from a newer Debian where this one lacks it. Skips the test without one."""
    if found := shutil.which(program):
        return found
    if program in _NEWER:
        reason = _why_not_newer()
        if not reason:
            package, suite = _NEWER[program]
            return str(debian.unpack(package, suite) / "usr" / "bin" / program)
    else:
        reason = f"{program} is not installed: see scripts/prerequisites"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _why_not_newer() -> str:
    """Why nothing of a newer Debian can be had here; nothing where it can."""
    try:
        require_debian_root()
    except MachineError as reason:
        return str(reason)
    return ""


def write_layout(folder: Path, image: Image, *, name: str) -> str:
    """An OCI image layout that holds one image; gives the digest of its manifest."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    for blob in image.blobs:
        with blob.open() as source:
            (blobs / blob.digest.hex).write_bytes(source.read())
    digest = hashlib.sha256(image.manifest).hexdigest()
    (blobs / digest).write_bytes(image.manifest)
    described = {
        "mediaType": MANIFEST_TYPE,
        "digest": f"sha256:{digest}",
        "size": len(image.manifest),
        "annotations": {"org.opencontainers.image.ref.name": name, "io.containerd.image.name": name},
    }
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [described]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return f"sha256:{digest}"


def manifest_digest(layout: Path) -> str:
    """The digest of the only manifest of an OCI image layout."""
    (described,) = json.loads((layout / "index.json").read_text())["manifests"]
    return str(described["digest"])


def lines(output: str) -> Sequence[str]:
    """The lines of an output without blanks at their ends."""
    return [line.strip() for line in output.splitlines() if line.strip()]
