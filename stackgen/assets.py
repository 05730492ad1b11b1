"""What a stack is made from: templates, profiles and file trees, in the wheel or in the checkout."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import registry_app

if TYPE_CHECKING:
    from collections.abc import Iterator

_PACKAGE = Path(__file__).parent


def asset_root() -> Path:
    """The folder with templates/, profiles/, nginx/, …: inside an installed package, else the checkout's top."""
    installed = _PACKAGE / "_assets"
    return installed if installed.is_dir() else _PACKAGE.parent


def requirements_lock() -> bytes:
    """The hash-locked requirements of the registry's image."""
    return (asset_root() / "requirements" / "registry.lock").read_bytes()


def service_sources() -> Iterator[tuple[str, bytes]]:
    """(path below the build context, content) of every file of the service's package, in a fixed order."""
    package = Path(registry_app.__file__).parent
    for path in sorted(package.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc":
            yield f"{package.name}/{path.relative_to(package).as_posix()}", path.read_bytes()


def tree(name: str) -> Iterator[tuple[str, Path]]:
    """(path in a stack, file) of one top-level folder of assets, in a fixed order, with suffixes as in the folder."""
    top = asset_root() / name
    for path in sorted(top.rglob("*")):
        if path.is_file() and path.name != ".gitkeep" and "__pycache__" not in path.parts:
            yield f"{name}/{path.relative_to(top).as_posix()}", path
