"""Where something lies in a registry: `oci://` addresses and the image references that people write. Pure."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, replace

from registry_app.errors import RegistryError
from registry_app.oci.digests import Digest
from registry_app.oci.names import Repository, Tag
from registry_app.plain_text import quoted
from stackgen.errors import StackgenError

HUB = "docker.io"
# host[:port]; an IPv6 address stands in brackets. What follows a scheme is checked against this before any use.
_HOST = re.compile(
    r"(?:(?P<name>[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*)"
    r"|\[(?P<ipv6>[0-9a-fA-F:.]+)\])(?::(?P<port>[0-9]{1,5}))?"
)
_LONGEST_NAME, _LONGEST_LABEL = 253, 63
_SCHEME = "oci://"


@dataclass(frozen=True, slots=True)
class Address:
    """A repository on a host, and the tag, the digest or both that are meant in it."""

    host: str
    repository: Repository
    tag: Tag | None = None
    digest: Digest | None = None

    @property
    def reference(self) -> str:
        """What to ask the registry for: the digest if one is given, else the tag, else `latest`."""
        return str(self.digest or self.tag or "latest")

    @property
    def name(self) -> str:
        """Host and repository, without tag and digest."""
        return f"{self.host}/{self.repository}"

    def pinned(self, digest: Digest) -> Address:
        """The same address at a digest."""
        return replace(self, digest=digest)

    def __str__(self) -> str:
        """The reference as Docker, Compose and cosign take it."""
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.name}{tag}{f'@{self.digest}' if self.digest else ''}"


def parse_oci_address(text: str) -> Address:
    """The address in `oci://host[:port]/repository[:tag][@digest]`; raises StackgenError naming what is wrong."""
    if not text.startswith(_SCHEME):
        raise _refused(text, f"it does not begin with {_SCHEME}")
    host, slash, rest = text.removeprefix(_SCHEME).partition("/")
    if not slash or not rest:
        raise _refused(text, "it names no repository")
    return _address(text, host, rest)


def parse_image(text: str) -> Address:
    """The address of an image as Docker reads it: without a host the hub is meant, `library/` for one-word names."""
    first, slash, rest = text.partition("/")
    if slash and (set(first) & set(".:[") or first == "localhost" or first.lower() != first):
        return _address(text, first, rest)
    name = text if "/" in text else f"library/{text}"
    return _address(text, HUB, name)


def parse_registry(text: str) -> str:
    """The host[:port] of a registry as it is typed; StackgenError for anything else."""
    if _is_host(text):
        return text
    raise StackgenError(f"{quoted(text)} is no host or host:port", hint="write it like registry.example.com:5000")


def _is_host(text: str) -> bool:
    match = _HOST.fullmatch(text)
    if match is None or int(match["port"] or 1) not in range(1, 65536):
        return False
    name = match["name"] or ""
    return len(name) <= _LONGEST_NAME and all(len(label) <= _LONGEST_LABEL for label in name.split("."))


def is_loopback(host: str) -> bool:
    """Whether a host[:port] is this machine itself: `localhost` or an address that never leaves it."""
    match = _HOST.fullmatch(host)
    if match is None:
        return False
    name = match["ipv6"] or match["name"]
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name.lower() == "localhost"


def _address(text: str, host: str, rest: str) -> Address:
    if not _is_host(host):
        raise _refused(text, f"{quoted(host)} is no host or host:port")
    name, at, digest = rest.partition("@")
    repository, _, tag = name.partition(":")
    try:
        return Address(
            host=host,
            repository=Repository.parse(repository),
            tag=Tag.parse(tag) if ":" in name else None,
            digest=Digest.parse(digest) if at else None,
        )
    except RegistryError as error:
        raise _refused(text, error.message) from error


def _refused(text: str, reason: str) -> StackgenError:
    return StackgenError(
        f"{quoted(text)} can't be read as an address in a registry: {reason}",
        hint="write it like oci://registry.example.com/acme/stack:1.0, or …@sha256:<64 hex digits>",
    )
