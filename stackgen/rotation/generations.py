"""A certificate and its key that change together, in one step, while something reads them.

They lie in a folder of their own, one per generation, and are read through `live`, a link:

certs/fullchain.pem -> live/fullchain.pem     certs/privkey.pem -> live/privkey.pem
certs/live -> generation-20300131T120000123Z
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stackgen.errors import StackgenError
from stackgen.rotation.steps import Link, Put
from stackgen.secret_files import PRIVATE, PUBLIC, SHARED

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    from stackgen.folder import StackFolder
    from stackgen.rotation.steps import Step
    from stackgen.settings import StackSettings

_LIVE = "live"


@dataclass(frozen=True, slots=True)
class PairFolder:
    """A folder with a certificate and its key that are replaced together. `base` as a step's path has it."""

    base: str
    certificate: str
    key: str
    key_mode: int
    gid: int | None = None

    def replace(self, root: Path, certificate: bytes, key: bytes, *, name: str) -> tuple[list[Step], str]:
        """The steps that bring the pair in force, and the name of the generation that undo goes back to."""
        steps = self._generation(name, certificate, key)
        before = self.in_force(root)
        if before is None:
            before = f"before-{name}"
            place = root / self.base
            steps += self._generation(before, _content(place / self.certificate), _content(place / self.key))
            steps += [self.live(before)]
            steps += [Link(f"{self.base}/{one}", f"{_LIVE}/{one}") for one in (self.certificate, self.key)]
        return [*steps, self.live(name)], before

    def back_to(self, root: Path, name: str) -> list[Step]:
        """The steps that bring a former generation in force.

        StackgenError when it is not there any more, or what is in force now did not come by a rotation.
        """
        if self.in_force(root) is None:
            raise StackgenError(
                f"{root / self.base / self.certificate} was replaced by hand since the last rotation",
                hint="put back by hand what was there before, or rotate once more",
            )
        if not all((root / self.base / name / one).exists() for one in (self.certificate, self.key)):
            raise StackgenError(
                f"{root / self.base / name} is not there any more, or not whole", hint="rotate once more instead"
            )
        return [self.live(name)]

    def in_force(self, root: Path) -> str | None:
        """The generation that `live` names, if both files are read through it."""
        place = root / self.base
        for one in (self.certificate, self.key):
            link = place / one
            if not link.is_symlink() or str(link.readlink()) != f"{_LIVE}/{one}":
                return None
        return str((place / _LIVE).readlink()) if (place / _LIVE).is_symlink() else None

    def prune(self, root: Path, keep: frozenset[str]) -> None:
        """Removes former generations, keys and all, but those that undo may go back to."""
        place, live = root / self.base, self.in_force(root)
        if live is None:
            return
        for found in place.glob("*generation-*Z"):
            if found.is_dir() and found.name not in keep | {live}:
                shutil.rmtree(found)

    def live(self, name: str) -> Step:
        """The step that brings a generation in force."""
        return Link(f"{self.base}/{_LIVE}", name)

    def _generation(self, name: str, certificate: bytes | None, key: bytes | None) -> list[Step]:
        steps: list[Step] = []
        if key is not None:
            steps.append(Put(f"{self.base}/{name}/{self.key}", key, self.key_mode, self.gid))
        if certificate is not None:
            steps.append(Put(f"{self.base}/{name}/{self.certificate}", certificate, PUBLIC))
        return steps


def _content(path: Path) -> bytes | None:
    """What a file holds, None where one of a pair was lost: the next generation has both again."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def serving_pair(folder: StackFolder, settings: StackSettings) -> PairFolder:
    """The pair that clients see."""
    certs = folder.resolve(settings.certs_dir)
    base = os.path.relpath(certs, folder.root) if certs.is_relative_to(folder.root) else str(certs.absolute())
    return PairFolder(base, "fullchain.pem", "privkey.pem", SHARED, settings.secrets_gid)


def authority_pair(folder: StackFolder) -> PairFolder:
    """The local authority."""
    return PairFolder(folder.authority.relative_to(folder.root).as_posix(), "ca.crt", "ca.key", PRIVATE)


def generation_name(now: dt.datetime) -> str:
    """The name of a generation that begins now."""
    return f"generation-{now:%Y%m%dT%H%M%S}{now.microsecond // 1000:03}Z"
