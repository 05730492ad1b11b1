"""Mark and sweep of one large tree: our collection against another registry's, on copies of the same tree.

python -m bench.collection --manifests 10000 --blobs 10 --garbage 0.1 --rounds 3 --peer /usr/bin/docker-registry

With `--cold` each command meets a file system that was mounted a moment before, and no cache (root, a loop device).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from registry_app.oci.digests import Digest
from registry_app.oci.media_types import OCI_MANIFEST
from registry_app.oci.names import Repository
from registry_app.storage.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Iterator

LAYER = "application/vnd.oci.image.layer.v1.tar"
CONFIG = "application/vnd.oci.image.config.v1+json"
KINDS = ("with garbage", "clean")


@dataclass(frozen=True, slots=True)
class Run:
    """One command: seconds on the wall and of processor, peak memory in MiB, and how many blobs went."""

    took: float
    processor: float
    memory: float
    removed: int


def main() -> None:
    """Builds the tree, copies it for each contender, and times their commands."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_tree_options(parser)
    parser.add_argument("--peer", action="append", default=[], help="another registry's binary")
    parser.add_argument("--rounds", type=int, default=1, help="every second one in the other order")
    parser.add_argument("--cold", action="store_true", help="mount a disk anew before each command")
    arguments = parser.parse_args()
    runs: dict[tuple[str, str], list[Run]] = defaultdict(list)
    with tempfile.TemporaryDirectory(dir=arguments.folder, prefix="collection-") as name:
        folder = Path(name).resolve()
        kept = arguments.tree or folder / "tree"
        trees = DiskTrees(folder, disk=kept) if arguments.cold else FolderTrees(folder, tree=kept)
        trees.build(arguments)
        for number in range(arguments.rounds):
            contenders = (None, *arguments.peer)
            for peer in contenders if number % 2 == 0 else reversed(contenders):
                for kind, run in zip(KINDS, collect_twice(trees, peer), strict=True):
                    runs[Path(peer).name if peer else "ours", kind].append(run)
    print_medians(runs)


def print_medians(runs: dict[tuple[str, str], list[Run]]) -> None:
    """The table of all rounds; the spread is the smallest and the largest."""
    print("\n| contender | tree | seconds | of processor | MiB |\n|---|---|---|---|---|")
    for (name, kind), done in sorted(runs.items(), key=lambda item: (item[0][1], item[0][0])):
        took, processor, memory = (
            f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"
            for values in (
                [one.took for one in done],
                [one.processor for one in done],
                [one.memory for one in done],
            )
        )
        print(f"| {name} | {kind} | {took} | {processor} | {memory} |")


def add_tree_options(parser: argparse.ArgumentParser) -> None:
    """What tree `build_tree` makes, and where."""
    parser.add_argument("--manifests", type=int, default=10_000)
    parser.add_argument("--blobs", type=int, default=10, help="of each manifest")
    parser.add_argument("--repositories", type=int, default=100)
    parser.add_argument("--garbage", type=float, default=0.1, help="part of the manifests that was deleted")
    parser.add_argument("--folder", default=tempfile.gettempdir(), help="where everything is made")
    parser.add_argument("--tree", type=Path, help="keep the tree, or its disk, here for the next time")


def tags_of(arguments: argparse.Namespace) -> list[tuple[Repository, str]]:
    """The tags in the tree, which name every manifest that was not deleted."""
    return [
        (_repository(number, arguments), f"t{number}")
        for number in range(arguments.manifests)
        if number >= arguments.manifests * arguments.garbage
    ]


def _repository(number: int, arguments: argparse.Namespace) -> Repository:
    return Repository(f"team/app{number % arguments.repositories}")


def build_tree(root: Path, arguments: argparse.Namespace) -> None:
    """A tree as pushes leave it; blobs are small, for only their number counts here. One that is there is left so."""
    layout, pick = Layout(root), random.Random(1)
    if root.exists():
        return
    for number in range(arguments.manifests):
        repository = _repository(number, arguments)
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


class FolderTrees:
    """Copies by hard links in a folder; what was just copied lies in the cache."""

    def __init__(self, folder: Path, *, tree: Path) -> None:
        self.folder = folder
        self._tree = tree

    def build(self, arguments: argparse.Namespace) -> None:
        """Builds the tree that is copied."""
        build_tree(self._tree, arguments)

    @contextmanager
    def copy(self) -> Iterator[Path]:
        """A copy of the tree, for one contender."""
        copy = self.folder / "copy"
        subprocess.run(["cp", "-al", self._tree, copy], check=True)
        try:
            yield copy
        finally:
            subprocess.run(["rm", "-rf", copy], check=True)

    def forget(self) -> None:
        """What is in the cache stays there."""


class DiskTrees:
    """Copies of one disk with the tree on it, whose content no cache holds when a command begins."""

    def __init__(self, folder: Path, *, disk: Path) -> None:
        self.folder = folder
        self._disk = disk
        self._mount = folder / "mount"
        self._mount.mkdir()

    def build(self, arguments: argparse.Namespace) -> None:
        """Makes the disk, much larger than its content, for the sake of its number of inodes."""
        if self._disk.exists():
            return
        with self._disk.open("wb") as made:
            made.truncate(max(512 << 20, arguments.manifests * arguments.blobs * 120_000))
        subprocess.run(["mkfs.ext4", "-q", "-F", self._disk], check=True)
        with self._mounted(self._disk):
            build_tree(self._mount / "tree", arguments)

    @contextmanager
    def copy(self) -> Iterator[Path]:
        """A copy of the disk, for one contender."""
        image = self.folder / "copy.img"
        subprocess.run(["cp", "--sparse=always", self._disk, image], check=True)
        _drop(image)
        try:
            with self._mounted(image):
                yield self._mount / "tree"
        finally:
            image.unlink()

    def forget(self) -> None:
        """Mounts the disk anew."""
        image = self.folder / "copy.img"
        subprocess.run(["umount", self._mount], check=True)
        _drop(image)
        subprocess.run(["mount", "-o", "loop", image, self._mount], check=True)

    @contextmanager
    def _mounted(self, image: Path) -> Iterator[None]:
        subprocess.run(["mount", "-o", "loop", image, self._mount], check=True)
        try:
            yield
        finally:
            subprocess.run(["umount", self._mount], check=True)


def _drop(image: Path) -> None:
    """Writes the file to the disk, and takes it out of the cache."""
    with image.open("rb+") as opened:
        os.fsync(opened.fileno())
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def collect_twice(trees: FolderTrees | DiskTrees, peer: str | None) -> Iterator[Run]:
    """Times one command on a fresh copy, and on what that left."""
    name = Path(peer).name if peer else "ours"
    with trees.copy() as copy:
        config = trees.folder / f"{name}.yml"
        storage = {"filesystem": {"rootdirectory": str(copy)}, "delete": {"enabled": True}}
        config.write_text(
            yaml.safe_dump({"version": 0.1, "storage": storage, "http": {"addr": ":0"}, "stackgen": {"reserve": 0}})
        )
        ours = [sys.executable, "-m", "registry_app", "garbage-collect", "--quiet", "--grace", "0", str(config)]
        for kind in KINDS:
            before = _blobs(copy)
            trees.forget()
            run = _run([peer, "garbage-collect", str(config)] if peer else ours, trees.folder / "log")
            run = Run(run.took, run.processor, run.memory, before - _blobs(copy))
            print(
                f"{name:>20} {kind:>13}: {run.took:6.2f} s, {run.processor:6.2f} s of processor, "
                f"{run.memory:5.1f} MiB, {run.removed} of {before} blobs removed",
                flush=True,
            )
            yield run


def _run(command: list[str], log: Path) -> Run:
    """What a command took and used."""
    with log.open("wb") as output:
        began = time.monotonic()
        process = subprocess.Popen(command, stdout=output, stderr=output)
        # Not ru_maxrss, in which this process's own size is counted: it was forked from here.
        peaks = [0.0]
        watching = threading.Thread(target=_watch_memory, args=(process.pid, peaks))
        watching.start()
        _, status, used = os.wait4(process.pid, 0)
        took = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, log.read_bytes()[-2000:])
    watching.join()
    return Run(took, used.ru_utime + used.ru_stime, max(peaks), 0)


def _watch_memory(pid: int, peaks: list[float]) -> None:
    """Adds the peak of a process in MiB, as it is seen fifty times a second, until it ends."""
    with contextlib.suppress(OSError):
        while held := [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "VmHWM" in line]:
            peaks.append(int(held[0].split()[1]) / 1024)
            time.sleep(0.02)


def _blobs(root: Path) -> int:
    return sum("data" in files for _, _, files in os.walk(Layout(root).blobs))


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


if __name__ == "__main__":
    main()
