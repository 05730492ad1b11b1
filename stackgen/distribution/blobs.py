"""Blobs to push: bytes or files with digest and size, described as descriptors."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from registry_app.oci.digests import Digest

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Blob:
    """Content with its digest, size in bytes and media type; `content` is the bytes or the file that holds them."""

    digest: Digest
    size: int
    media_type: str
    content: bytes | Path

    def open(self) -> BinaryIO:
        """The content from its beginning, to be closed by the caller."""
        return io.BytesIO(self.content) if isinstance(self.content, bytes) else self.content.open("rb")

    def descriptor(self, **more: Any) -> dict[str, Any]:
        """The descriptor (OCI Image Specification 1.1, "Content Descriptors") with further fields."""
        return {"mediaType": self.media_type, "digest": str(self.digest), "size": self.size, **more}


def blob_of(content: bytes, *, media_type: str) -> Blob:
    """A blob of bytes."""
    return Blob(digest=Digest.of(content), size=len(content), media_type=media_type, content=content)
