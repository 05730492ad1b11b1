"""Images to push, imported into the engine from nothing but a file of random bytes."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.live.stack import LiveStack, succeed


@dataclass(frozen=True, slots=True)
class SampleImage:
    """An image in the engine under a name of the stack's registry."""

    stack: LiveStack
    name: str
    identity: str

    @property
    def repository(self) -> str:
        return self.name.removeprefix(f"{self.stack.authority}/").rpartition(":")[0]

    @property
    def tag(self) -> str:
        return self.name.rpartition(":")[2]

    def push(self) -> None:
        self.stack.docker("push", self.name, within=180)

    def forget(self) -> None:
        """Remove it from the engine, so that a pull has to fetch every layer."""
        self.stack.docker("image", "rm", "--force", self.name)

    def pull(self) -> str:
        """Pull it; the identity of what came, which is the digest of its configuration."""
        self.stack.docker("pull", self.name, within=180)
        return _identity(self.name)


@contextmanager
def sample_image(stack: LiveStack, reference: str, *, size: int = 4096) -> Iterator[SampleImage]:
    """An image of one layer with `size` random bytes, which no compression makes smaller; gone at the end."""
    name = f"{stack.authority}/{reference}"
    with TemporaryDirectory() as folder:
        archive = Path(folder) / "layer.tar"
        with tarfile.open(archive, "w") as tar:
            member = tarfile.TarInfo("random")
            member.size = size
            tar.addfile(member, io.BytesIO(os.urandom(size)))
        succeed(["docker", "import", "--change", 'CMD ["/random"]', archive, name], within=120)
    try:
        yield SampleImage(stack, name, _identity(name))
    finally:
        stack.try_docker("image", "rm", "--force", name)


def _identity(name: str) -> str:
    return succeed(["docker", "image", "inspect", "--format", "{{.Id}}", name], within=20).stdout.strip()
