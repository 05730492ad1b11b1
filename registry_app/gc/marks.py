"""Which contents are needed, in little memory; and what lies in the store."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from registry_app.oci.digests import ALGORITHMS, Digest, is_encoded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from registry_app.storage import Storage


def short(digest: Digest) -> int:
    """The first 64 bits."""
    return int(digest.hex[:16], 16)


class Marks:
    """Digests in use, in eight bytes each, apart by their first two digits as the folders of blobs are.

    Two digests that agree in 64 bits count as one: then something that nobody needs stays, never the other way round.
    """

    def __init__(self) -> None:
        self._parts: dict[str, array[int]] = {}

    def add(self, digest: Digest) -> None:
        """Marks this, whether or not it is marked already."""
        part = self._parts.get(digest.hex[:2])
        if part is None:
            part = self._parts[digest.hex[:2]] = array("Q")
        part.append(short(digest))

    def hold(self, digest: Digest) -> bool:
        """Whether this is marked, or agrees with a marked one."""
        return short(digest) in self._parts.get(digest.hex[:2], ())

    def part(self, prefix: str) -> frozenset[int]:
        """The first 64 bits of each marked digest that begins with these two digits."""
        return frozenset(self._parts.get(prefix, ()))


def count_marked(storage: Storage, marks: Marks) -> tuple[int, int]:
    """How many contents of the store are marked, and how many are not."""
    marked = others = 0
    for _, prefix, names in _stored(storage):
        part = marks.part(prefix)
        found = sum(int(encoded[:16], 16) in part for encoded in names)
        marked, others = marked + found, others + len(names) - found
    return marked, others


def unmarked(storage: Storage, marks: Marks) -> Iterator[Digest]:
    """The contents of the store that are not marked."""
    for algorithm, prefix, names in _stored(storage):
        part = marks.part(prefix)
        for encoded in names:
            if int(encoded[:16], 16) not in part:
                yield Digest(algorithm, encoded)


def stored_digests(storage: Storage) -> Iterator[Digest]:
    """Every digest that may have content, in order of their first two digits."""
    for algorithm, _, names in _stored(storage):
        yield from (Digest(algorithm, encoded) for encoded in names)


def _stored(storage: Storage) -> Iterator[tuple[str, str, list[str]]]:
    """Algorithm, first two digits, and the digits of all that begin with them."""
    for algorithm in ALGORITHMS:
        for prefix in sorted(storage.files.names(storage.layout.blobs / algorithm)):
            names = storage.files.names(storage.layout.blobs / algorithm / prefix)
            # There may be folders that are none of ours.
            yield algorithm, prefix, [name for name in names if name.startswith(prefix) and is_encoded(algorithm, name)]
