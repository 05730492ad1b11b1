"""Content for the reading scenarios: a tree in distribution's layout, which every contender reads as it is."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
SIGNATURES = 3
V2 = "docker/registry/v2"


@dataclass(frozen=True, slots=True)
class Image:
    """One tagged image of the tree."""

    repository: str
    tag: str
    manifest: str
    layer: str


@dataclass(frozen=True, slots=True)
class Tree:
    """What `write_tree` wrote: images to ask for, a repository of many tags (in their order), and one large blob."""

    root: Path
    images: tuple[Image, ...]
    many_tags: str
    tags: tuple[str, ...]
    large_repository: str
    large_blob: str
    large_size: int

    def size(self, digest: str) -> int:
        """Of some content, in bytes."""
        return _blob_path(self.root, digest).stat().st_size

    @property
    def repositories(self) -> list[str]:
        """In the order of a catalog."""
        return sorted({*(image.repository for image in self.images), self.many_tags, self.large_repository})


def write_tree(root: Path, *, repositories: int, tags: int, many: int, large: int) -> Tree:
    """Writes `repositories` of `tags` images each, one repository of `many` tags, and a blob of `large` bytes."""
    images = [
        _write_image(root, f"team{n % 20}/service{n}", f"v{t}", seed=n * tags + t)
        for n in range(repositories)
        for t in range(tags)
    ]
    first = _write_image(root, "team/many", "t0", seed=-1)
    for n in range(1, many):
        _write_tag(root, "team/many", f"t{n}", first.manifest)
    blob = _write_large(root, "team/large", large)
    names = tuple(sorted(f"t{n}" for n in range(many)))
    return Tree(root, tuple(images), "team/many", names, "team/large", blob, large)


def write_referrers(root: Path, repository: str, *, manifests: int) -> str:
    """Writes a repository of so many manifests, three of which refer to the same subject; gives its digest.

    A repository that is there already is left as it is.
    """
    subject = digest_of(_manifest({}))
    if (root / V2 / "repositories" / repository).exists():
        return subject
    _write_manifest(root, repository, {})
    described = {"mediaType": MANIFEST, "digest": subject, "size": 0}
    for number in range(manifests):
        more = {"subject": described} if number < SIGNATURES else {}
        _write_manifest(root, repository, {"annotations": {"number": str(number)}, **more})
    return subject


def _manifest(more: dict[str, Any]) -> bytes:
    return json.dumps(json.loads(image_manifest(b"{}", [])) | more).encode()


def _write_manifest(root: Path, repository: str, more: dict[str, Any]) -> None:
    body = _manifest(more)
    _write_blob(root, body)
    _write_link(root / V2 / "repositories" / repository / "_manifests" / "revisions", digest_of(body))


def image_manifest(config: bytes, layers: list[tuple[str, int]]) -> bytes:
    """An image manifest over layers given as digest and size."""
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": digest_of(config), "size": len(config)},
            "layers": [{"mediaType": LAYER, "digest": digest, "size": size} for digest, size in layers],
        }
    ).encode()


def image_config(seed: int) -> bytes:
    """A small image configuration, different for each seed."""
    history = [{"created_by": f"build {seed}"}]
    return json.dumps(
        {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}, "history": history}
    ).encode()


def digest_of(data: bytes) -> str:
    """sha256 in OCI's spelling."""
    return "sha256:" + sha256(data).hexdigest()


def _write_image(root: Path, repository: str, tag: str, *, seed: int) -> Image:
    layer = random.Random(seed).randbytes(1024)
    config = image_config(seed)
    manifest = image_manifest(config, [(digest_of(layer), len(layer))])
    for data in (layer, config, manifest):
        _write_blob(root, data)
    for data in (layer, config):
        _write_link(root / V2 / "repositories" / repository / "_layers", digest_of(data))
    _write_link(root / V2 / "repositories" / repository / "_manifests" / "revisions", digest_of(manifest))
    _write_tag(root, repository, tag, digest_of(manifest))
    return Image(repository, tag, digest_of(manifest), digest_of(layer))


def _write_tag(root: Path, repository: str, tag: str, digest: str) -> None:
    folder = root / V2 / "repositories" / repository / "_manifests" / "tags" / tag
    _write_link(folder / "index", digest)
    (folder / "current").mkdir(parents=True, exist_ok=True)
    (folder / "current" / "link").write_text(digest)


def _write_link(folder: Path, digest: str) -> None:
    target = folder / digest.replace(":", "/")
    target.mkdir(parents=True, exist_ok=True)
    (target / "link").write_text(digest)


def _blob_path(root: Path, digest: str) -> Path:
    algorithm, value = digest.split(":")
    return root / V2 / "blobs" / algorithm / value[:2] / value / "data"


def _write_blob(root: Path, data: bytes) -> None:
    path = _blob_path(root, digest_of(data))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _write_large(root: Path, repository: str, size: int) -> str:
    draft = root / "draft"
    hashed, chunk = sha256(), 1 << 20
    source = random.Random(size)
    block = source.randbytes(chunk)
    with draft.open("wb") as out:
        for number in range(size // chunk):
            piece = number.to_bytes(8, "big") + block[8:]
            hashed.update(piece)
            out.write(piece)
    digest = f"sha256:{hashed.hexdigest()}"
    path = _blob_path(root, digest)
    path.parent.mkdir(parents=True)
    draft.rename(path)
    _write_link(root / V2 / "repositories" / repository / "_layers", digest)
    (root / V2 / "repositories" / repository / "_manifests" / "tags").mkdir(parents=True)
    return digest
