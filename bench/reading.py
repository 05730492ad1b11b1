"""Scenarios that read: manifests, blobs, lists."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from bench.client import at_once
from bench.load import get_load, head_load
from bench.looks import content, head, page
from bench.sample import Sample
from bench.scenario import Goal, Kind, Scenario

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.client import Client
    from bench.scenario import Context
    from bench.stand import Stand
    from bench.tree import Image

CONNECTIONS = 16
PAGE, LAST_TAG = 100, "t5"
LOOKS = 20
SMALL = (Goal("distribution", 100), Goal("distribution-open", 1.2))


def _images(context: Context, count: int) -> Sequence[Image]:
    return random.Random(context.round).sample(context.tree.images, min(count, len(context.tree.images)))


def _get_manifests(stand: Stand, context: Context, *, by_tag: bool) -> Sample:
    images = _images(context, 1000)
    paths = [f"/v2/{i.repository}/manifests/{i.tag if by_tag else i.manifest}" for i in images]
    context.due.extend(content(path, image.manifest) for path, image in zip(paths[:LOOKS], images, strict=False))
    least = min(context.tree.size(image.manifest) for image in images)
    return get_load(stand, paths, connections=CONNECTIONS, seconds=context.scale.seconds, least=least)


def _head(stand: Stand, context: Context, *, path: Callable[[Image], str], of: Callable[[Image], str]) -> Sample:
    image = _images(context, 1)[0]
    context.due.append(head(path(image), of(image), context.tree.size(of(image))))
    return head_load(stand, path(image), connections=CONNECTIONS, seconds=context.scale.seconds)


def _ping(stand: Stand, context: Context) -> Sample:
    return get_load(stand, ["/v2/"], connections=CONNECTIONS, seconds=context.scale.seconds)


def _catalog(stand: Stand, context: Context) -> Sample:
    return _get_page(
        stand, context, f"/v2/_catalog?n={PAGE}", key="repositories", names=context.tree.repositories[:PAGE]
    )


def _tags(stand: Stand, context: Context) -> Sample:
    path = f"/v2/{context.tree.many_tags}/tags/list?n={PAGE}&last={LAST_TAG}"
    behind = [tag for tag in context.tree.tags if tag > LAST_TAG]
    return _get_page(stand, context, path, key="tags", names=behind[:PAGE])


def _get_page(stand: Stand, context: Context, path: str, *, key: str, names: Sequence[str]) -> Sample:
    context.due.append(page(path, key, names))
    least = sum(map(len, names))
    return get_load(stand, [path], connections=4, seconds=context.scale.seconds, least=least)


def _get_blob(stand: Stand, context: Context, *, connections: int) -> Sample:
    tree = context.tree
    value = tree.large_blob.removeprefix("sha256:")
    path = f"/v2/{tree.large_repository}/blobs/{tree.large_blob}" if stand.app else f"/sha256/{value[:2]}/{value}/data"
    context.due.append(content(path, tree.large_blob))
    sample = get_load(stand, [path], connections=connections, seconds=context.scale.seconds)
    return replace(sample, value=sample.bytes / sample.seconds / 1e9, p99_ms=None)


def _get_once(stand: Stand, context: Context) -> Sample:
    def fetch(client: Client, *, image: Image) -> float:
        return float(not content(f"/v2/{image.repository}/manifests/{image.tag}", image.manifest)(client))

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
        run=partial(_head, path=lambda i: f"/v2/{i.repository}/manifests/{i.tag}", of=lambda i: i.manifest),
        goals=SMALL,
    ),
    Scenario(
        key="manifest-head-digest",
        title="HEAD manifest by digest, 16 connections",
        unit="requests/s",
        kind=Kind.READING,
        run=partial(_head, path=lambda i: f"/v2/{i.repository}/manifests/{i.manifest}", of=lambda i: i.manifest),
        goals=SMALL,
    ),
    Scenario(
        key="blob-head",
        title="HEAD blob, 16 connections",
        unit="requests/s",
        kind=Kind.READING,
        run=partial(_head, path=lambda i: f"/v2/{i.repository}/blobs/{i.layer}", of=lambda i: i.layer),
        goals=SMALL,
    ),
    Scenario(
        key="ping",
        title="GET /v2/, 16 connections",
        unit="requests/s",
        kind=Kind.READING,
        run=_ping,
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
        run=_catalog,
        goals=(Goal("distribution", 20),),
    ),
    Scenario(
        key="tags",
        title="tag page of 100 in a repository of many",
        unit="requests/s",
        kind=Kind.READING,
        run=_tags,
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
