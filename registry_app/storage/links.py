"""Links: small files that hold a digest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry_app.errors import RegistryError
from registry_app.oci.digests import ALGORITHMS, Digest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from registry_app.storage.files import Files

_LONGEST = 256


def read_link(files: Files, path: Path) -> Digest | None:
    """The digest that a link holds; None if it is not there, empty or no digest."""
    try:
        return Digest.parse(files.read(path, limit=_LONGEST).decode().strip())
    except (FileNotFoundError, ValueError, RegistryError):
        return None


def write_link(files: Files, path: Path, digest: Digest) -> None:
    """Makes a link hold this digest, durably, without a moment in which it holds anything else."""
    if has_link(files, path, digest):
        files.make_durable(path)  # another process may have written it a moment ago
    else:
        files.write(path, str(digest).encode())


def has_link(files: Files, path: Path, digest: Digest) -> bool:
    """Whether this link is there and holds this digest."""
    try:
        return files.read(path, limit=_LONGEST).strip() == str(digest).encode()
    except (FileNotFoundError, ValueError):
        return False


def linked_digests(files: Files, folder: Path) -> Iterator[Digest]:
    """Every digest that `<folder>/<algorithm>/<hex>/link` may link, from the names alone."""
    for algorithm in ALGORITHMS:
        for encoded in files.names(folder / algorithm):
            try:
                yield Digest.parse(f"{algorithm}:{encoded}")
            except RegistryError:
                continue
