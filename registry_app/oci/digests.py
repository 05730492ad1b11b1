"""Digests (OCI Image Specification 1.1, "Descriptor", section "Digests")."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from registry_app.errors import ErrorCode, RegistryError

if TYPE_CHECKING:
    from collections.abc import Callable

CANONICAL = "sha256"
# Registered algorithms and the length of their lower-case hexadecimal encoding.
ALGORITHMS = {"sha256": 64, "sha512": 128}
_HASHES: dict[str, Callable[..., Hash]] = {"sha256": hashlib.sha256, "sha512": hashlib.sha512}
_HEX_DIGITS = "0123456789abcdef"


class Hash(Protocol):
    """A running hash of `hashlib`."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Takes more of the content in."""

    def hexdigest(self) -> str:
        """The hash of everything so far."""


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """`algorithm:hex` of some content; use `parse`, which checks the grammar, or `of`."""

    algorithm: str
    hex: str

    @classmethod
    def parse(cls, text: str) -> Digest:
        """The digest written so; raises DIGEST_INVALID for a bad form or an algorithm that is not registered."""
        algorithm, _, encoded = text.partition(":")
        if not is_encoded(algorithm, encoded):
            message = "the digest must be sha256:<64 hex digits> or sha512:<128 hex digits>, in lower case"
            raise RegistryError(ErrorCode.DIGEST_INVALID, message=message, digest=text[:300])
        return cls(algorithm, encoded)

    @classmethod
    def of(cls, content: bytes, algorithm: str = CANONICAL) -> Digest:
        """The digest of this content."""
        running = new_hash(algorithm)
        running.update(content)
        return cls(algorithm, running.hexdigest())

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"


def is_encoded(algorithm: str, encoded: str) -> bool:
    """Whether these are the digits of a digest of this algorithm; False for one that is not registered."""
    return len(encoded) == ALGORITHMS.get(algorithm) and not encoded.strip(_HEX_DIGITS)


def new_hash(algorithm: str = CANONICAL) -> Hash:
    """A running hash; raises DIGEST_INVALID for an algorithm that is not registered."""
    if algorithm not in ALGORITHMS:
        raise RegistryError(ErrorCode.DIGEST_INVALID, message="the digest algorithm must be sha256 or sha512")
    return _HASHES[algorithm](usedforsecurity=False)
