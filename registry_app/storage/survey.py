"""What lies in the store and can't be used: files and folders of others, and symbolic links, which are not followed.

A link may lead anywhere, and a rename does not cross file systems: whoever moves a repository to another disk by one
has a registry that can't push to it. So nothing behind a link is served, and none goes unnamed.
"""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from registry_app.storage.rights import CHANGE, ENTER, READ, may, obstacle, why_barred

if TYPE_CHECKING:
    from collections.abc import Iterator

    from registry_app.storage.layout import Layout

REMEDY = "move what it leads to back to this place, or the whole root directory to the larger disk"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hindrance:
    """A file or folder that can't be used; `text` names it, the reason and the remedy."""

    text: str
    is_link: bool

    def __str__(self) -> str:
        return self.text


def survey(layout: Layout, *, folders: int | None = None, breadth: int | None = None) -> Iterator[Hindrance]:
    """Hindrances from the top of the store down, in at most so many folders, and so many entries of each."""
    for top in (layout.tree, layout.own):
        if (why := why_barred(top)) is not None:
            yield Hindrance(text=why, is_link=False)
            return
    waiting = deque([layout.tree, layout.own])
    for _ in iter(int, 1) if folders is None else range(folders):
        if not waiting:
            return
        folder = waiting.popleft()
        if not may(folder, ENTER):
            yield from _barred(folder, ENTER)
            continue
        for entry in _entries(folder, breadth):
            if entry.is_symlink():
                yield detour(Path(entry.path))
            elif entry.is_dir(follow_symlinks=False):
                waiting.append(Path(entry.path))
            else:
                yield from _barred(Path(entry.path), _wanted(layout, folder, entry.name))


def _barred(place: Path, wanted: int) -> Iterator[Hindrance]:
    """Why a place can't be used, if so. What is gone bars nobody: a service that takes pushes removes files."""
    if may(place, wanted):
        return
    text = obstacle(place)
    if os.path.lexists(place) and not may(place, wanted):
        yield Hindrance(text=text, is_link=False)


def detour(link: Path) -> Hindrance:
    """A symbolic link in the store."""
    try:
        target = os.readlink(link)  # noqa: PTH115 - as it is written
    except OSError:
        target = "?"
    return Hindrance(text=f"{link} is a symbolic link to {target} and is not followed: {REMEDY}", is_link=True)


def _entries(folder: Path, breadth: int | None) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(islice(found, breadth))
    except FileNotFoundError:
        return []


def _wanted(layout: Layout, folder: Path, name: str) -> int:
    """What is in the tree is replaced, never changed in place; the index is done without."""
    return CHANGE if folder == layout.own and not name.startswith(layout.index.name) else READ
