"""Which folders of the host may be mounted into a container: none of the system's, and none that shows secrets."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from registry_app.plain_text import quoted
from stackgen.profiles import load_profiles

if TYPE_CHECKING:
    from stackgen.settings import StackSettings

_RESERVED = frozenset({"secrets", "ca", "registry", ".stackgen", ".git"})
"""Folders of a stack that have their use; the profiles name theirs."""
# Who owns one of these owns the host: the registry's user must not, and nobody should be told to let it.
_TOP_FOLDERS = (
    "bin", "boot", "dev", "etc", "home", "lib", "lib64", "media", "mnt", "opt", "proc",
    "root", "run", "sbin", "srv", "sys", "tmp", "usr", "var", "var/lib",
)  # fmt: skip
_OF_THE_SYSTEM = {"/", *(f"/{name}" for name in _TOP_FOLDERS)}


def find_misplaced(name: str, settings: StackSettings, root: Path | None) -> str:
    """Why the folder of a setting may not be mounted into a container; empty when it may.

    With the stack's folder it is looked where the path leads, links included; without, at the text alone.
    """
    path = getattr(settings, name.lower())
    if path is None:
        return ""
    taken = _RESERVED.union(*((*profile.trees, *profile.secret_folders) for profile in load_profiles()))
    if name == "STORAGE_DIR":  # the one that the registry may write to
        taken |= {os.path.normpath(other) for other in (settings.certs_dir, settings.configs_dir)}
    return _by_text(path, taken) or (_by_place(path, taken, root) if root is not None else "")


def _by_text(path: str, taken: frozenset[str]) -> str:
    if path.startswith("/"):
        plain = "/" + os.path.normpath(path).lstrip("/")
        return f"{quoted(path)} is a folder of the system" if plain in _OF_THE_SYSTEM else ""
    first = next((part for part in path.split("/") if part not in {"", "."}), "")
    if first in {"", ".."}:
        return f"{quoted(path)} would show a container the stack's secrets, or what lies above the stack"
    return f"{quoted(path)} lies in a folder that has another use" if first in taken else ""


def _by_place(path: str, taken: frozenset[str], root: Path) -> str:
    place, stack = _real(root / path), _real(root)
    if str(place) in _OF_THE_SYSTEM:
        return f"{quoted(path)} leads to {place}, a folder of the system"
    if stack.is_relative_to(place):
        return f"{quoted(path)} is the stack's own folder or one above it: a container would see the stack's secrets"
    for one in sorted(taken):
        theirs = _real(root / one)
        if place.is_relative_to(theirs):
            return f"{quoted(path)} leads into {theirs}, which has another use"
        if theirs.is_relative_to(place):
            return f"{quoted(path)} holds {theirs}, which has another use"
    return ""


def _real(path: Path) -> Path:
    """Where a path leads in the end, be it there or not."""
    return Path(os.path.realpath(path))
