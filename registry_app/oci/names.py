"""Repository names, tags and references (OCI Distribution Specification 1.1, "Pulling manifests")."""

from __future__ import annotations

import re
from dataclasses import dataclass

from registry_app.errors import ErrorCode, RegistryError
from registry_app.oci.digests import Digest

# "[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*", at most 255 characters: longer names
# break clients that put the host in front, and distribution refuses them too.
_COMPONENT = r"[a-z0-9]++(?:(?:\.|__?|-++)[a-z0-9]++)*+"
_ONE_COMPONENT = re.compile(_COMPONENT)
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*+")
LONGEST_REPOSITORY = 255
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")


def is_component(text: str) -> bool:
    """Whether this may stand between two slashes of a repository's name."""
    return _ONE_COMPONENT.fullmatch(text) is not None


def is_tag(text: str) -> bool:
    """Whether this may be the name of a tag."""
    return _TAG.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Repository:
    """The name of a repository, such as `team/app`; use `parse`, which checks the grammar."""

    name: str

    @classmethod
    def parse(cls, text: str) -> Repository:
        """The repository of this name; raises NAME_INVALID."""
        if len(text) > LONGEST_REPOSITORY or not _REPOSITORY.fullmatch(text):
            raise RegistryError(ErrorCode.NAME_INVALID, name=text[:300])
        return cls(text)

    @property
    def components(self) -> tuple[str, ...]:
        """Parts between the slashes; they also give the order of a listing."""
        return tuple(self.name.split("/"))

    def __str__(self) -> str:
        return self.name

    def __lt__(self, other: Repository) -> bool:
        return self.components < other.components


@dataclass(frozen=True, slots=True, order=True)
class Tag:
    """A tag, such as `latest`; use `parse`, which checks the grammar."""

    name: str

    @classmethod
    def parse(cls, text: str) -> Tag:
        """The tag of this name; raises TAG_INVALID."""
        if not is_tag(text):
            raise RegistryError(ErrorCode.TAG_INVALID, tag=text[:300])
        return cls(text)

    def __str__(self) -> str:
        return self.name


Reference = Tag | Digest


def parse_reference(text: str) -> Reference:
    """A digest if there is a colon (no tag has one), else a tag; raises DIGEST_INVALID or TAG_INVALID."""
    return Digest.parse(text) if ":" in text else Tag.parse(text)
