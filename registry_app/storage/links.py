"""Links: small files that hold a digest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry_app.errors import RegistryError
from registry_app.oci.digests import ALGORITHMS, Digest, is_encoded
from registry_app.storage.remembered import Found, Remembered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import TypeVar

    from registry_app.oci.names import Repository, Tag
    from registry_app.storage.files import Files

    Name = TypeVar("Name", Tag, Digest)

_LONGEST = 256
_MOST_REMEMBERED = 8192


def remembered_links(
    files: Files, path: Callable[[Repository, Name], Path]
) -> Remembered[tuple[Repository, Name], Digest | None]:
    """Reads the links of one kind as `read_link` does, and remembers them."""

    def read(key: tuple[Repository, Name]) -> Found[Digest | None]:
        place = path(*key)
        try:
            content, file = files.read_with_stat(place, limit=_LONGEST)
        except (FileNotFoundError, ValueError):
            return Found(None, place, None)
        return Found(_parse(content), place, file)

    return Remembered(read, most=_MOST_REMEMBERED)


def read_link(files: Files, path: Path) -> Digest | None:
    """The digest that a link holds; None if it is not there, empty or no digest."""
    try:
        return _parse(files.read(path, limit=_LONGEST))
    except (FileNotFoundError, ValueError):
        return None


def _parse(content: bytes) -> Digest | None:
    try:
        return Digest.parse(content.decode().strip())
    except (ValueError, RegistryError):
        return None


def write_link(files: Files, path: Path, digest: Digest, *, behind: Path | None = None) -> None:
    """Makes a link hold this digest, durably, without a moment in which it holds anything else.

    What lies in the folder `behind` is on disk before a new link is there.
    """
    if has_link(files, path, digest):
        if behind is not None:
            files.sync_folders(behind)
        files.make_durable(path)  # another process may have written it a moment ago
    else:
        files.write(path, str(digest).encode(), behind=behind)


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
            if is_encoded(algorithm, encoded):
                yield Digest(algorithm, encoded)


def leases(files: Files, folder: Path) -> Iterator[tuple[Digest, float]]:
    """Every digest whose `<folder>/<algorithm>/<hex>/link` is there, and when its lease was renewed (since 1970)."""
    for algorithm in ALGORITHMS:
        for encoded, found in files.stats(folder / algorithm, "link"):
            if is_encoded(algorithm, encoded):
                yield Digest(algorithm, encoded), found.st_mtime
