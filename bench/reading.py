"""Scenarios that read: manifests, blobs, lists."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from bench.client import at_once
from bench.load import get_load, head_load
from bench.sample import Sample
from bench.scenario import Goal, Kind, Scenario
from bench.tree import MANIFEST

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.client import Client
    from bench.scenario import Context
    from bench.stand import Stand
    from bench.tree import Image

CONNECTIONS = 16
SMALL = (Goal("distribution", 100), Goal("distribution-open", 1.2))


def _images(context: Context, count: int) -> Sequence[Image]:
    return random.Random(context.round).sample(context.tree.images, min(count, len(context.tree.images)))


def _get_manifests(stand: Stand, context: Context, *, by_tag: bool) -> Sample:
    paths = [f"/v2/{i.repository}/manifests/{i.tag if by_tag else i.manifest}" for i in _images(context, 1000)]
    return get_load(stand, paths, connections=CONNECTIONS, seconds=context.scale.seconds)


def _head(stand: Stand, context: Context, *, path: Callable[[Image], str]) -> Sample:
    image = _images(context, 1)[0]
    return head_load(stand, path(image), connections=CONNECTIONS, seconds=context.scale.seconds)


def _get_path(stand: Stand, context: Context, *, path: Callable[[Context], str], connections: int) -> Sample:
    return get_load(stand, [path(context)], connections=connections, seconds=context.scale.seconds)


def _get_blob(stand: Stand, context: Context, *, connections: int) -> Sample:
    tree = context.tree
    value = tree.large_blob.removeprefix("sha256:")
    path = f"/v2/{tree.large_repository}/blobs/{tree.large_blob}" if stand.app else f"/sha256/{value[:2]}/{value}/data"
    sample = get_load(stand, [path], connections=connections, seconds=context.scale.seconds)
    return replace(sample, value=sample.bytes / sample.seconds / 1e9, p99_ms=None)


def _get_once(stand: Stand, context: Context) -> Sample:
    def fetch(client: Client, *, image: Image) -> float:
        answer = client.ask("GET", f"/v2/{image.repository}/manifests/{image.tag}", Accept=MANIFEST)
        return float(answer.status != 200)

    jobs = [partial(fetch, image=image) for image in _images(context, 200)]
    start = monotonic()
    failed = at_once(stand, jobs, connections=8)
    return Sample(value=monotonic() - start, requests=len(jobs), failed=int(sum(failed)))


SCENARIOS = (
    Scenario(
        key="manifest-get-tag",
        title="GET manifest by tag, 16 connections, 1,000 images in turn",
        unit="requests/s",
        kind=Kind.READING,
        run=partial(_get_manifests, by_tag=True),
        goals=SMALL,
    ),
    Scenario(
        key="manifest-get-digest",
        title="GET manifest by digest, 16 connections, 1,000 images in turn",
        unit="requests/s",
        kind=Kind.READING,
        run=partial(_get_manifests, by_tag=False),
        goals=SMALL,
    ),
    Scenario(
        key="manifest-head-tag",
        title="HEAD manifest by tag, 16 connections",
        unit="requests/s",
        kind=Kind.READING,
        run=partial(_head, path=lambda i: f"/v2/{i.repository}/manifests/{i.tag}"),
        goals=SMALL,
    ),
    Scenario(
        key="manifest-head-digest",
        title="HEAD manifest by digest, 16 connections",
        unit="requests/s",
        kind=Kind.READING,
        run=partial(_head, path=lambda i: f"/v2/{i.repository}/manifests/{i.manifest}"),
        goals=SMALL,
    ),
    Scenario(
        key="blob-head",
        title="HEAD blob, 16 connections",
        unit="requests/s",
        kind=Kind.READING,
        run=partial(_head, path=lambda i: f"/v2/{i.repository}/blobs/{i.layer}"),
        goals=SMALL,
    ),
    Scenario(
        key="ping",
        title="GET /v2/, 16 connections",
        unit="requests/s",
        kind=Kind.READING,
        run=partial(_get_path, path=lambda _: "/v2/", connections=CONNECTIONS),
    ),
    *(
        Scenario(
            key=f"blob-get-{n}",
            title=f"GET a large blob, {n} at once",
            unit="GB/s",
            kind=Kind.READING,
            run=partial(_get_blob, connections=n),
            goals=(Goal("nginx-static", 0.95), Goal("distribution", 1.5)),
            with_static=True,
        )
        for n in (1, 4, 16)
    ),
    Scenario(
        key="catalog",
        title="catalog page of 100",
        unit="requests/s",
        kind=Kind.READING,
        run=partial(_get_path, path=lambda _: "/v2/_catalog?n=100", connections=4),
        goals=(Goal("distribution", 20),),
    ),
    Scenario(
        key="tags",
        title="tag page of 100 in a repository of many",
        unit="requests/s",
        kind=Kind.READING,
        run=partial(_get_path, path=lambda c: f"/v2/{c.tree.many_tags}/tags/list?n=100&last=t5", connections=4),
        goals=(Goal("distribution", 20),),
    ),
    Scenario(
        key="manifest-get-cold",
        title="GET 200 manifests by tag once, 8 users, right after a start with empty page cache",
        unit="seconds",
        kind=Kind.READING,
        run=_get_once,
        more_is_better=False,
        cold=True,
    ),
)
