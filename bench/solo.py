"""What is measured outside the turns: memory of a huge push, start-up, and what the machine does alone."""

from __future__ import annotations

import os
import shutil
from functools import partial
from hashlib import sha256
from time import monotonic
from typing import TYPE_CHECKING

from bench.client import BLOCK, Body, Client
from bench.proxy import Backend, Proxy
from bench.runner import Place
from bench.sample import Sample
from bench.stand import Stand
from bench.tree import write_tree

if TYPE_CHECKING:
    from pathlib import Path

    from bench.contenders import Contender
    from bench.scenario import Scale
    from bench.workspace import Workspace


def measure_huge_push(contender: Contender, workspace: Workspace, scale: Scale) -> Sample:
    """One upload of a huge blob: GB/s; `p99_ms` is the wait for the answer once all bytes are sent.

    Raises RuntimeError where the upload fails.
    """
    place = Place(contender, workspace, workspace.folder / "huge")
    place.root.mkdir()
    place.start()
    proxy = Proxy(workspace, {place.public_port: Backend(place.port, place.root)})
    credentials = workspace.credentials if contender.authenticated else ()
    stand = Stand(
        name=contender.name, port=place.public_port, app=place.pid, proxy=proxy, workspace=workspace,
        credentials=credentials,
    )  # fmt: skip
    try:
        body = Body(os.urandom(BLOCK), scale.huge, 0)
        return stand.measured(partial(_push, body=body, digest=body.digest()))
    finally:
        proxy.stop()
        place.stop()
        shutil.rmtree(place.root)


def _push(stand: Stand, *, body: Body, digest: str) -> Sample:
    with Client(stand) as client:
        start = monotonic()
        wait = client.push("bench/huge", body, digest)
        seconds = monotonic() - start
    return Sample(value=body.size / seconds / 1e9, bytes=body.size, requests=1, seconds=seconds, p99_ms=wait * 1e3)


def measure_start(contender: Contender, workspace: Workspace, scale: Scale) -> list[float]:
    """Seconds from exec to the first answer, over a tree of many repositories; the first time the tree is new."""
    root = workspace.folder / "start"
    if not root.exists():
        write_tree(root, repositories=scale.started_repositories, tags=1, many=1, large=0)
    place = Place(contender, workspace, root)
    seconds = []
    for _ in range(scale.rounds + 1):
        seconds.append(place.start())
        place.stop()
    return seconds


def measure_floor(folder: Path, size: int) -> dict[str, float]:
    """GB/s that this machine does alone: hashing, and writing with one fsync at the end."""
    block = os.urandom(BLOCK)
    start = monotonic()
    hashed = sha256()
    for _ in range(size // BLOCK):
        hashed.update(block)
    hashing = monotonic() - start
    path = folder / "floor"
    start = monotonic()
    with path.open("wb", buffering=0) as out:
        for _ in range(size // BLOCK):
            out.write(block)
        os.fsync(out.fileno())
    writing = monotonic() - start
    path.unlink()
    return {"sha256": size / hashing / 1e9, "write and fsync": size / writing / 1e9}
