"""Scenarios that write: large blobs, many small ones, real clients."""

from __future__ import annotations

import json
import os
import random
import secrets
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from bench.client import BLOCK, Body, at_once
from bench.looks import head, image, part, small
from bench.sample import Sample
from bench.scenario import Goal, Kind, Scenario
from bench.tree import digest_of, image_config, image_manifest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bench.client import Client
    from bench.scenario import Context
    from bench.stand import Stand

LAYERS = 10
LOOKED_AT = 10  # one of so many small blobs is read again
CLIENTS = 8


def _push_large(stand: Stand, context: Context, *, count: int) -> Sample:
    size = context.scale.pushed_blob if count == 1 else context.scale.pushed_blobs_size
    block = os.urandom(BLOCK)
    bodies = [Body(block, size, secrets.randbits(60)) for _ in range(count)]
    digests = [body.digest() for body in bodies]

    def push(client: Client, *, number: int) -> float:
        return client.push(f"bench/large{number}", bodies[number], digests[number])

    for number, (body, digest) in enumerate(zip(bodies, digests, strict=True)):
        path = f"/v2/bench/large{number}/blobs/{digest}"
        last = size // BLOCK - 1
        first, end = part(path, 0, body.piece(0)), part(path, last * BLOCK, body.piece(last))
        context.due.extend((head(path, digest, size), first, end))
    start = monotonic()
    waits = at_once(stand, [partial(push, number=n) for n in range(count)], connections=count)
    seconds = monotonic() - start
    return Sample(
        value=count * size / seconds / 1e9, bytes=count * size, requests=count, seconds=seconds, p99_ms=max(waits) * 1e3
    )


def _push_small(stand: Stand, context: Context) -> Sample:
    blobs = [os.urandom(4096) for _ in range(context.scale.small_blobs)]

    def push(client: Client, *, data: bytes) -> float:
        return client.push("bench/small", data, digest_of(data))

    context.due.extend(small("bench/small", data) for data in blobs[::LOOKED_AT])
    start = monotonic()
    at_once(stand, [partial(push, data=data) for data in blobs], connections=CLIENTS)
    seconds = monotonic() - start
    return Sample(value=len(blobs) / seconds, requests=2 * len(blobs), seconds=seconds)


def _skopeo_push(stand: Stand, context: Context) -> Sample:
    layout = _image_layout(stand, context.scale.layer, name=f"push-{stand.name}-{context.round}")
    context.due.append(image("bench/skopeo", str(context.round), _layers(layout)))
    return _timed(lambda: _copy_in(stand, layout, f"bench/skopeo:{context.round}"))


def _skopeo_again(stand: Stand, context: Context) -> Sample:
    layout = _image_layout(stand, context.scale.layer, name=f"again-{stand.name}-{context.round}")
    context.due.append(image("bench/again", str(context.round), _layers(layout)))
    _copy_in(stand, layout, f"bench/again:{context.round}")
    return _timed(lambda: _copy_in(stand, layout, f"bench/again:{context.round}"))


def _skopeo_pull(stand: Stand, context: Context, *, clients: int) -> Sample:
    layout = _image_layout(stand, context.scale.layer, name=f"pull-{stand.name}-{clients}-{context.round}")
    _copy_in(stand, layout, f"bench/pull{clients}:{context.round}")
    targets = [stand.workspace.folder / f"pulled-{n}" for n in range(clients)]
    source = f"docker://localhost:{stand.port}/bench/pull{clients}:{context.round}"

    def pull(number: int) -> None:
        _skopeo(stand, number, source, f"dir:{targets[number]}", side="src")

    def all_of_them() -> None:
        with ThreadPoolExecutor(clients) as pool:
            list(pool.map(pull, range(clients)))

    sample = _timed(all_of_them)
    for target in targets:
        shutil.rmtree(target)
    return sample


def _timed(action: Callable[[], None]) -> Sample:
    start = monotonic()
    action()
    seconds = monotonic() - start
    return Sample(value=seconds, seconds=seconds, requests=1)


def _image_layout(stand: Stand, layer: int, *, name: str) -> Path:
    """An OCI image layout of ten layers that no registry has seen."""
    folder = stand.workspace.folder / "layouts" / name
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    layers = [secrets.token_bytes(layer) for _ in range(LAYERS)]
    config = image_config(random.getrandbits(40))
    manifest = image_manifest(config, [(digest_of(data), len(data)) for data in layers])
    for data in (*layers, config, manifest):
        (blobs / digest_of(data).removeprefix("sha256:")).write_bytes(data)
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    entry = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest_of(manifest)}
    index = {"schemaVersion": 2, "manifests": [entry | {"size": len(manifest)}]}
    (folder / "index.json").write_text(json.dumps(index))
    return folder


def _layers(layout: Path) -> list[str]:
    """The digests of an image's layers."""
    blobs = layout / "blobs" / "sha256"
    manifest = json.loads((layout / "index.json").read_bytes())["manifests"][0]["digest"]
    body = json.loads((blobs / manifest.removeprefix("sha256:")).read_bytes())
    return [layer["digest"] for layer in body["layers"]]


def _copy_in(stand: Stand, layout: Path, name: str) -> None:
    _skopeo(stand, 0, f"oci:{layout}", f"docker://localhost:{stand.port}/{name}", side="dest")


def _skopeo(stand: Stand, user: int, source: str, target: str, *, side: str) -> None:
    workspace = stand.workspace
    options = [f"--{side}-cert-dir", str(workspace.certificate.parent)]
    if stand.credentials:
        options += [f"--{side}-creds", stand.credentials[user % len(stand.credentials)].pair]
    command = ["skopeo", "--insecure-policy", "copy", "-q", *options, source, target]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"skopeo: {done.stderr[-500:]}")


SCENARIOS = (
    Scenario(
        key="push-one",
        title="push one large blob",
        unit="GB/s",
        kind=Kind.WRITING,
        run=partial(_push_large, count=1),
        goals=(Goal("distribution", 1.1),),
    ),
    Scenario(
        key="push-eight",
        title="push eight blobs at once",
        unit="GB/s",
        kind=Kind.WRITING,
        run=partial(_push_large, count=CLIENTS),
        goals=(Goal("distribution", 1.1),),
    ),
    Scenario(
        key="push-small",
        title="push many blobs of 4 KB over 8 connections",
        unit="blobs/s",
        kind=Kind.WRITING,
        run=_push_small,
        goals=(Goal("distribution-open", 1.0), Goal("distribution", 20)),
    ),
    Scenario(
        key="skopeo-push",
        title="skopeo pushes a new image of ten layers",
        unit="seconds",
        kind=Kind.WRITING,
        run=_skopeo_push,
        more_is_better=False,
    ),
    Scenario(
        key="skopeo-push-again",
        title="skopeo pushes it again, nothing to do",
        unit="seconds",
        kind=Kind.WRITING,
        run=_skopeo_again,
        more_is_better=False,
        goals=(Goal("distribution", 0.1),),
    ),
    *(
        Scenario(
            key=f"skopeo-pull-{n}",
            title=f"skopeo pulls an image of ten layers, {n} at once",
            unit="seconds",
            kind=Kind.WRITING,
            run=partial(_skopeo_pull, clients=n),
            more_is_better=False,
        )
        for n in (1, CLIENTS)
    ),
)
