"""Mark and sweep of one large tree: our collection against another registry's, on copies of the same tree.

python -m bench.collection --manifests 10000 --blobs 10 --garbage 0.1 --peer /usr/bin/docker-registry
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from registry_app.oci.digests import Digest
from registry_app.oci.media_types import OCI_MANIFEST
from registry_app.oci.names import Repository
from registry_app.storage.layout import Layout

if TYPE_CHECKING:
    import resource

LAYER = "application/vnd.oci.image.layer.v1.tar"
CONFIG = "application/vnd.oci.image.config.v1+json"


def main() -> None:
    """Builds the tree, copies it (by hard links) for each contender, and times their commands."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--manifests", type=int, default=10_000)
    parser.add_argument("--blobs", type=int, default=10, help="of each manifest")
    parser.add_argument("--repositories", type=int, default=100)
    parser.add_argument("--garbage", type=float, default=0.1, help="part of the manifests that was deleted")
    parser.add_argument("--peer", action="append", default=[], help="another registry's binary")
    parser.add_argument("--rounds", type=int, default=1, help="every second one in the other order")
    parser.add_argument("--folder", default=tempfile.gettempdir())
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder, prefix="collection-") as folder:
        tree = Path(folder).resolve() / "tree"
        build_tree(tree, arguments)
        for number in range(arguments.rounds):
            contenders = (None, *arguments.peer)
            for command in contenders if number % 2 == 0 else reversed(contenders):
                collect_twice(tree, Path(folder).resolve(), command)


def build_tree(root: Path, arguments: argparse.Namespace) -> None:
    """A tree as pushes leave it; blobs are small, for only their number counts here."""
    layout, pick = Layout(root), random.Random(1)
    for number in range(arguments.manifests):
        repository = Repository(f"team/app{number % arguments.repositories}")
        blobs = [b"%d/%d/" % (number, place) + pick.randbytes(8) for place in range(arguments.blobs)]
        described = [
            {"mediaType": CONFIG if place == 0 else LAYER, "digest": str(Digest.of(blob)), "size": len(blob)}
            for place, blob in enumerate(blobs)
        ]
        document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": described[0], "layers": described[1:]}
        body = json.dumps(document).encode()
        for blob in blobs:
            _write(layout.blob(Digest.of(blob)), blob)
            _write(layout.layer(repository, Digest.of(blob)), str(Digest.of(blob)).encode())
        _write(layout.blob(Digest.of(body)), body)
        if number >= arguments.manifests * arguments.garbage:
            _write(layout.revision(repository, Digest.of(body)), str(Digest.of(body)).encode())
            current = layout.manifests(repository) / "tags" / f"t{number}" / "current" / "link"
            _write(current, str(Digest.of(body)).encode())


def collect_twice(tree: Path, folder: Path, peer: str | None) -> None:
    """Times one command on a fresh copy, and on what that left."""
    name = Path(peer).name if peer else "ours"
    copy, config = folder / name, folder / f"{name}.yml"
    subprocess.run(["cp", "-al", tree, copy], check=True)
    storage = {"filesystem": {"rootdirectory": str(copy)}, "delete": {"enabled": True}}
    config.write_text(
        yaml.safe_dump({"version": 0.1, "storage": storage, "http": {"addr": ":0"}, "stackgen": {"reserve": 0}})
    )
    ours = [sys.executable, "-m", "registry_app", "garbage-collect", "--quiet", "--grace", "0", str(config)]
    command = [peer, "garbage-collect", str(config)] if peer else ours
    for garbage in ("with garbage", "clean"):
        before = _blobs(copy)
        took, used = _run(command, folder / "log")
        cpu, memory = used.ru_utime + used.ru_stime, used.ru_maxrss // 1024
        print(
            f"{name:>20} {garbage:>13}: {took:6.2f} s, {cpu:6.2f} s of processor, {memory:4} MiB, "
            f"{before - _blobs(copy)} of {before} blobs removed",
            flush=True,
        )
    subprocess.run(["rm", "-rf", copy], check=True)


def _run(command: list[str], log: Path) -> tuple[float, resource.struct_rusage]:
    """How long a command took (seconds), and what it used."""
    with log.open("wb") as output:
        began = time.monotonic()
        process = subprocess.Popen(command, stdout=output, stderr=output)
        _, status, used = os.wait4(process.pid, 0)
        took = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, log.read_bytes()[-2000:])
    return took, used


def _blobs(root: Path) -> int:
    return sum("data" in files for _, _, files in os.walk(Layout(root).blobs))


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


if __name__ == "__main__":
    main()
