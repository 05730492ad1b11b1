"""An image of the local engine as blobs and a manifest to push: read from `docker save`, layers compressed.

Going past `docker push` means that the engine needs neither trust nor a login for the target registry.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import shutil
import tarfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING, Any, cast

from registry_app.oci.digests import Digest
from stackgen import docker
from stackgen.distribution.blobs import Blob, blob_of
from stackgen.errors import StackgenError
from stackgen.publishing.artifact import MANIFEST_TYPE

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
_LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
# How a layer begins says how it is compressed already; what begins otherwise is a plain tar.
_MAGIC = {b"\x1f\x8b": "+gzip", b"\x28\xb5\x2f\xfd": "+zstd"}
_CHUNK = 1024 * 1024
# Half the time of gzip's usual 6 for 2 % more bytes, measured on the registry's own image.
_LEVEL = 4
_MISSING = re.compile(r"no such image|does not exist|: not found", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class LocalImage:
    """Blobs to push first, then the manifest; `blobs` are good while the archive is open."""

    blobs: tuple[Blob, ...]
    manifest: bytes

    @property
    def digest(self) -> Digest:
        """What a reference to the pushed image ends in."""
        return Digest.of(self.manifest)


@contextmanager
def open_local_image(name: str) -> Iterator[LocalImage]:
    """The engine's image of that name; StackgenError where there is no engine or no such image."""
    with TemporaryDirectory(prefix="stackgen-image-") as folder:
        archive = Path(folder) / "image.tar"
        _save(name, archive)
        with tarfile.open(archive) as tar:
            yield read_image(tar, Path(folder))


def read_image(tar: tarfile.TarFile, workspace: Path) -> LocalImage:
    """The one image of an archive of `docker save`; compressed layers are written into `workspace`."""
    try:
        entries = json.load(_member(tar, "manifest.json"))
        config = blob_of(_member(tar, entries[0]["Config"]).read(), media_type=_CONFIG_TYPE)
        layers = [_layer(_member(tar, path), workspace / f"layer-{n}") for n, path in enumerate(entries[0]["Layers"])]
    except (ValueError, KeyError, IndexError, TypeError, tarfile.TarError) as error:
        raise StackgenError(
            f"what `docker save` wrote can't be read: {error}", hint="is the engine up to date?"
        ) from error
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": config.descriptor(),
        "layers": [layer.descriptor() for layer in layers],
    }
    return LocalImage(blobs=(*layers, config), manifest=json.dumps(manifest, separators=(",", ":")).encode())


def _save(name: str, archive: Path) -> None:
    if not docker.installed():
        raise StackgenError(
            "--with-image needs the docker command, which is not here",
            hint="publish where the image was built, or give REGISTRY_IMAGE=…@sha256:… in .env",
        )
    answer = docker.ask("save", "--output", str(archive), name, seconds=None)
    if _MISSING.search(answer.err):
        raise StackgenError(
            f"the engine has no image {name}",
            hint="render and build it first: stackgen render && docker compose build registry",
        )
    if not answer.ok:
        raise docker.refusal(answer)


def _member(tar: tarfile.TarFile, path: str) -> IO[bytes]:
    member = tar.extractfile(path)
    if member is None:
        raise KeyError(path)
    return member


def _layer(source: IO[bytes], target: Path) -> Blob:
    """A layer as a blob: as it is where it is compressed, else compressed without a time, so that bytes repeat."""
    start = source.read(4)
    source.seek(0)
    suffix = next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), None)
    with target.open("wb") as sink:
        if suffix is not None:
            shutil.copyfileobj(source, sink, _CHUNK)
        else:
            with gzip.GzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=sink, mtime=0) as packed:
                shutil.copyfileobj(source, cast("Any", packed), _CHUNK)
    with target.open("rb") as written:
        digest = Digest.parse(f"sha256:{hashlib.file_digest(written, 'sha256').hexdigest()}")
    return Blob(digest, target.stat().st_size, f"{_LAYER_TYPE}{suffix or '+gzip'}", content=target)
