"""Looks at what a registry answered or stored, once its time is taken: a wrong answer may be as fast as a right one."""

from __future__ import annotations

import gzip
import json
from hashlib import sha256
from typing import TYPE_CHECKING

from bench.tree import MANIFEST, digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from bench.client import Answer, Client

    Look = Callable[[Client], bool]
"""Whether all is well; asked over a connection of its own."""

OK, PARTIAL = 200, 206
GZIP = b"\x1f\x8b"


def content(path: str, digest: str) -> Look:
    """A GET gives exactly the content of this digest."""

    def look(client: Client) -> bool:
        hashed = sha256()
        answer = client.ask("GET", path, take=hashed.update, Accept=MANIFEST)
        return answer.status == OK and f"sha256:{hashed.hexdigest()}" == digest

    return look


def head(path: str, digest: str, size: int) -> Look:
    """A HEAD tells digest and size (bytes)."""

    def look(client: Client) -> bool:
        answer = client.ask("HEAD", path, Accept=MANIFEST)
        told = answer.headers["Docker-Content-Digest"], answer.headers["Content-Length"]
        return answer.status == OK and told == (digest, str(size))

    return look


def page(path: str, key: str, names: Sequence[str]) -> Look:
    """A GET gives a page of exactly these names."""

    def look(client: Client) -> bool:
        answer = client.ask("GET", path)
        return answer.status == OK and _names(answer, key) == [*names]

    return look


def image(repository: str, tag: str, layers: Collection[str]) -> Look:
    """A tag leads to an image of these layers (by the digests of what is in them, if a client compressed them)."""

    def look(client: Client) -> bool:
        answer = client.ask("GET", f"/v2/{repository}/manifests/{tag}", Accept=MANIFEST)
        if answer.status != OK:
            return False
        found = []
        for layer in json.loads(answer.body)["layers"]:
            blob = client.ask("GET", f"/v2/{repository}/blobs/{layer['digest']}").body
            if digest_of(blob) != layer["digest"]:
                return False
            found.append(digest_of(gzip.decompress(blob) if blob.startswith(GZIP) else blob))
        return sorted(found) == sorted(layers)

    return look


def part(path: str, offset: int, data: bytes) -> Look:
    """A GET of these bytes alone gives them."""

    def look(client: Client) -> bool:
        answer = client.ask("GET", path, Range=f"bytes={offset}-{offset + len(data) - 1}")
        return answer.status == PARTIAL and answer.body == data

    return look


def small(repository: str, data: bytes) -> Look:
    """A pushed blob comes back."""
    digest = digest_of(data)
    return content(f"/v2/{repository}/blobs/{digest}", digest)


def _names(answer: Answer, key: str) -> object:
    try:
        return json.loads(answer.body).get(key)
    except (ValueError, AttributeError):
        return None
