"""Tags to digests: what `stackgen pin` finds out, and how far behind the lock file is.

A digest is that of what the tag means in the registry: an index for several platforms where there is one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry_app.oci.digests import Digest
from stackgen.distribution.addresses import HUB, Address, parse_image
from stackgen.errors import StackgenError

if TYPE_CHECKING:
    from stackgen.profiles import Profile

Resolve = Callable[[Address], Digest | None]
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Pin:
    """One image: its reference by tag, the digest in the lock file and the one that the registry names now."""

    image: str
    locked: str | None
    found: str

    @property
    def behind(self) -> bool:
        """Whether the tag means something else than the lock file."""
        return self.locked != self.found


def images_of(profiles: Iterable[Profile]) -> tuple[str, ...]:
    """Every image that the profiles name by tag, once, by name."""
    named = {image for profile in profiles for image in profile.images.values()}
    return tuple(sorted(image for image in named if parse_image(image).digest is None))


def find_pins(
    images: Iterable[str], locked: Mapping[str, str], *, resolve: Resolve, mirror: str | None = None
) -> tuple[Pin, ...]:
    """The present digest of each image, hub images asked for at a mirror; StackgenError naming all that have none."""
    pins, problems = [], []
    for image in images:
        address = at_mirror(parse_image(image), mirror)
        try:
            digest = resolve(address)
        except StackgenError as error:
            problems.append(f"{image}: {error.message} ({error.hint})")
            continue
        if digest is None:
            problems.append(f"{image}: {address.host} has no such image")
        else:
            pins.append(Pin(image=image, locked=locked.get(image), found=str(digest)))
    if problems:
        raise StackgenError(
            "no digest for " + "\n       ".join(problems),
            hint="nothing was changed; --image NAME pins single ones, --mirror HOST asks a mirror of Docker Hub",
        )
    return tuple(pins)


def format_lock(pins: Mapping[str, str]) -> str:
    """The text of images.lock.json: sorted, one image a line, so that a version control shows what changed."""
    return json.dumps({"version": _FORMAT, "images": dict(sorted(pins.items()))}, indent=2) + "\n"


def at_mirror(address: Address, mirror: str | None) -> Address:
    """Where to ask: images of Docker Hub at its mirror, as the engine's `registry-mirrors` does, others at home."""
    if mirror is None or address.host != HUB:
        return address
    return Address(host=mirror, repository=address.repository, tag=address.tag, digest=address.digest)
