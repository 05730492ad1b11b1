"""Killed at any system call, `publish` leaves the old stack or the new one under the tag: whole, and signed if it signs."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from registry_app.oci.digests import Digest
from registry_app.oci.names import Repository
from stackgen.distribution.addresses import parse_image, parse_oci_address
from stackgen.pins import format_lock, images_of
from stackgen.profiles import load_profiles
from stackgen.publishing.artifact import parse_artifact
from tests.live.engine import debian
from tests.live.stack import LiveStack, init_stack, succeed
from tests.stackgen.killing import TELLING, kill_at, points_of, stops_of
from tests.stackgen.peer import PeerRegistry, running

pytestmark = [
    pytest.mark.live,
    pytest.mark.fault,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed (scripts/prerequisites)"),
]
ROOT = Path(__file__).parents[2]
# Real kills take long: STACKGEN_KILL_STEP=1 tries one at each call.
STEP = int(os.environ.get("STACKGEN_KILL_STEP", "0"))
RUNS = 2
"""Without it, so many kills in each way."""


@dataclass(frozen=True)
class Publisher:
    """Somebody with a pinned stack, an image of it in the engine, a key of cosign's, and a registry to publish to."""

    stack: LiveStack
    registry: PeerRegistry
    keys: Path
    cosign: Path

    @property
    def address(self) -> str:
        return f"oci://{self.registry.host}/acme/stack:1"

    def command(self, version: str, *options: str) -> list[str]:
        base = [sys.executable, "-B", "-m", "stackgen", "publish", self.address, str(self.stack.folder)]
        return [*base, "--plain-http", "--version", version, *options]

    @property
    def environment(self) -> dict[str, str]:
        found = self.stack._environment() | {"COSIGN_PASSWORD": "quite secret", "PYTHONPATH": str(ROOT)}
        return found | {"PATH": f"{self.cosign}:{found['PATH']}"}

    def run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=120, check=False, cwd=self.keys
        )

    def is_signed(self) -> bool:
        verify = ["verify", self.address, "--plain-http", "--key", "cosign.pub"]
        return "cosign did not" not in self.run([sys.executable, "-m", "stackgen", *verify]).stderr

    def tagged(self) -> Digest:
        """What the tag names."""
        return self.registry.client().read_manifest(parse_oci_address(self.address)).digest

    def published(self) -> tuple[Digest, str]:
        """(digest, version) of what the tag names; every blob of the artifact and of its registry image is read."""
        client = self.registry.client()
        manifest = client.read_manifest(parse_oci_address(self.address))
        layer, _ = parse_artifact(manifest.body)
        project = yaml.safe_load(client.read_blob(Repository.parse("acme/stack"), layer.digest, size=layer.size))
        image = parse_image(project["services"]["registry"]["image"])
        assert image.host == self.registry.host
        body = json.loads(client.read_manifest(image).body)
        for part in (body["config"], *body["layers"]):
            client.read_blob(image.repository, Digest.parse(part["digest"]), size=part["size"])
        return manifest.digest, project["x-stackgen"]["version"]

    def files(self) -> dict[str, bytes]:
        found = (path for path in self.stack.folder.rglob("*") if path.is_file())
        return {str(path): path.read_bytes() for path in found}


@pytest.fixture(scope="module")
def publisher(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Publisher]:
    """An image of a few bytes stands for the registry's: what is pushed is not what is asked here."""
    folder = tmp_path_factory.mktemp("killed")
    # A build context like nobody else's: the image's name is made from it.
    stack = init_stack(folder / "stack", BUILD_PIP_INDEX_URL="https://nobody.example.com/simple")
    pins = {image: str(Digest.of(image.encode())) for image in images_of(load_profiles())}
    (stack.folder / "images.lock.json").write_text(format_lock(pins))
    succeed([sys.executable, "-m", "stackgen", "render", stack.folder], within=60)
    archive = folder / "image.tar"
    with tarfile.open(archive, "w") as tar:
        member = tarfile.TarInfo("hello")
        member.size = 5
        tar.addfile(member, io.BytesIO(b"hello"))
    image = stack.registry_image
    succeed(["docker", "import", archive, image], within=60)
    cosign = debian.unpack("cosign", "sid") / "usr" / "bin"
    try:
        with running(folder, tls=None) as registry:
            auth = base64.b64encode(f"{registry.login.user}:{registry.login.password}".encode()).decode()
            (stack.user_config / "config.json").write_text(json.dumps({"auths": {registry.host: {"auth": auth}}}))
            one = Publisher(stack, registry, folder, cosign)
            made = one.run(["cosign", "generate-key-pair"])
            assert made.returncode == 0, made.stderr
            yield one
    finally:
        stack.try_docker("image", "rm", "--force", image)


OPTIONS = pytest.mark.parametrize(
    "options", [("--with-image",), ("--with-image", "--sign", "cosign.key")], ids=" ".join
)


@OPTIONS
def test_at_any_moment_of_a_publication_the_old_stack_or_the_new_one_is_there(
    publisher: Publisher, options: tuple[str, ...]
) -> None:
    """Behind each call that others can see, with all that it consists of; a new one is signed by the time it is seen."""
    assert publisher.run(publisher.command("1", *options)).returncode == 0
    versions, moments = dict([publisher.published()]), Counter[str]()
    for call in stops_of(
        publisher.command("2", *options), TELLING, folder=publisher.keys, environment=publisher.environment
    ):
        if (digest := publisher.tagged()) not in versions:
            versions |= dict([publisher.published()])
            assert versions.keys() >= {digest}, call
            assert "--sign" not in options or publisher.is_signed(), call
        moments[versions[digest]] += 1
    print(f"{moments.total()} moments looked at, the new stack there in {moments['2']}")  # noqa: T201 - a person should know
    assert set(moments) == {"1", "2"}


@OPTIONS
def test_a_killed_publication_leaves_the_old_stack_or_the_new_one(
    publisher: Publisher, options: tuple[str, ...], tmp_path: Path
) -> None:
    """Whatever the last system call was: before the first exchange with the registry one, from there on any."""
    before = publisher.files()
    log = tmp_path / "calls"
    first = publisher.run(["strace", "-qq", "-o", str(log), *publisher.command("1", *options)])
    assert first.returncode == 0, first.stderr
    points = points_of(log)
    begins = next(number for number, (call, _) in enumerate(points) if call == "socket")
    chosen = [points[begins // 2], *points[begins :: STEP or (len(points) - begins) // RUNS + 1]]
    current, outcomes, killed = publisher.published(), set(), 0
    for number, point in enumerate(chosen):
        # Another version each time, so that every run has something to send.
        version = f"2.{number}"
        command = ["strace", "-qq", "-o", "/dev/null", *kill_at(point), *publisher.command(version, *options)]
        done = publisher.run(command)
        killed += done.returncode == -signal.SIGKILL
        found = publisher.published()
        assert found in {current, (found[0], version)}, f"at {point}: {done.stderr}"
        outcomes.add("old" if found == current else "new")
        if found != current and "--sign" in options:
            assert publisher.is_signed(), f"at {point}"
        current = found
    assert "old" in outcomes
    assert killed > len(chosen) / 2, f"only {killed} of {len(chosen)} runs were killed"
    assert publisher.files() == before
    # And the next one comes through.
    last = publisher.run(publisher.command("3", *options))
    assert last.returncode == 0, last.stderr
    assert publisher.published()[1] == "3"
