"""Descriptors (OCI Image Specification 1.1, "Content Descriptors"): the references between contents."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from registry_app.errors import RegistryError
from registry_app.oci.digests import Digest
from registry_app.oci.media_types import is_media_type, lies_elsewhere

_LARGEST = 2**63 - 1
_FIELDS = frozenset({"mediaType", "digest", "size", "urls", "annotations", "data", "artifactType", "platform"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """Type, digest and size (bytes) of some content."""

    media_type: str
    digest: Digest
    size: int
    urls: tuple[str, ...] = ()

    @property
    def lies_elsewhere(self) -> bool:
        """Whether the registry may lack this content: clients fetch a non-distributable layer from its URLs."""
        return lies_elsewhere(self.media_type)


def parse_descriptor(value: Any, where: str) -> Descriptor:
    """The descriptor at the place `where` of a document; ValueError naming the place and the reason."""
    if not isinstance(value, dict):
        raise ValueError(f"{where} is not a descriptor")  # noqa: TRY004 - one kind of error for every bad document
    refuse_lookalikes(value, _FIELDS, where)
    if not is_media_type(value.get("mediaType")):
        raise ValueError(f"{where}.mediaType is missing or not a media type")
    size = value.get("size")
    if type(size) is not int or not 0 <= size <= _LARGEST:
        raise ValueError(f"{where}.size is missing or not a number of bytes")
    digest = _digest(value.get("digest"), where)
    _check_data(value.get("data"), digest, size, where=where)
    string_map(value.get("annotations"), f"{where}.annotations")
    return Descriptor(media_type=value["mediaType"], digest=digest, size=size, urls=_urls(value.get("urls"), where))


def refuse_lookalikes(value: dict[str, Any], fields: frozenset[str], where: str) -> None:
    """ValueError if a key equals a known field but for its case: readers in Go would take it for that field."""
    known = {field.casefold(): field for field in fields}
    for key in value:
        meant = known.get(key.casefold(), key)
        if meant != key:
            raise ValueError(f"{where} has a field {key[:100]!r}, which some clients read as {meant!r}")


def string_map(value: Any, where: str) -> dict[str, str]:
    """A map of strings to strings, empty if absent; ValueError otherwise."""
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise ValueError(f"{where} is not a map of strings")
    return value


def _digest(value: Any, where: str) -> Digest:
    try:
        return Digest.parse(value if isinstance(value, str) else "")
    except RegistryError as error:
        raise ValueError(f"{where}.digest is missing or wrong: {error.message}") from None


def _urls(value: Any, where: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(url, str) for url in value):
        raise ValueError(f"{where}.urls is not a list of strings")
    return tuple(value)


def _check_data(value: Any, digest: Digest, size: int, *, where: str) -> None:
    """Content in the descriptor must match digest and size, or clients would run what nobody pushed."""
    if value is None:
        return
    try:
        content = base64.b64decode(value, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise ValueError(f"{where}.data is not base64") from None
    if len(content) != size or Digest.of(content, digest.algorithm) != digest:
        raise ValueError(f"{where}.data does not match the digest and size beside it")
