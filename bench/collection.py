"""Mark and sweep of one large tree: our collection against another registry's, on copies of the same tree.

python -m bench.collection --manifests 10000 --blobs 10 --garbage 0.1 --peer /usr/bin/docker-registry
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from registry_app.oci.digests import Digest
from registry_app.oci.media_types import OCI_MANIFEST
from registry_app.oci.names import Repository
from registry_app.storage.layout import Layout

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
    parser.add_argument("--folder", default=tempfile.gettempdir())
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder, prefix="collection-") as folder:
        tree = Path(folder).resolve() / "tree"
        build_tree(tree, arguments)
        for command in (None, *arguments.peer):
            for garbage in ("with garbage", "clean"):
                run(tree, Path(folder), command, garbage)


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


def run(tree: Path, folder: Path, peer: str | None, garbage: str) -> None:
    """Times one command; the first time on a fresh copy, the second on what the first left."""
    name = Path(peer).name if peer else "ours"
    copy = folder / name
    if not copy.exists():
        subprocess.run(["cp", "-al", tree, copy], check=True)
    config = folder / f"{name}.yml"
    storage = {"filesystem": {"rootdirectory": str(copy)}, "delete": {"enabled": True}}
    config.write_text(
        yaml.safe_dump({"version": 0.1, "storage": storage, "http": {"addr": ":0"}, "stackgen": {"reserve": 0}})
    )
    ours = [sys.executable, "-m", "registry_app", "garbage-collect", "--quiet", "--grace", "0", str(config)]
    before = _blobs(copy)
    began = time.monotonic()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    with (folder / "log").open("wb") as log:
        subprocess.run([peer, "garbage-collect", str(config)] if peer else ours, check=True, stdout=log, stderr=log)
    took = time.monotonic() - began
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    print(f"{name:>20} {garbage:>13}: {took:6.2f} s, {cpu:6.2f} s of processor, {before - _blobs(copy)} blobs removed")
    print(f"{'':>20} {'':>13}  largest child so far {now.ru_maxrss // 1024} MiB", flush=True)


def _blobs(root: Path) -> int:
    return sum("data" in files for _, _, files in os.walk(Layout(root).blobs))


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


if __name__ == "__main__":
    main()
