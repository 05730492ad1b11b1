"""How much of what there is: walks, for those who watch the store."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from registry_app.storage.layout import Layout


def count_uploads(layout: Layout) -> int:
    """Blob uploads that were begun and not yet ended, over all repositories, those without an image included."""
    return sum(len(_names(folder)) for folder in _upload_folders(str(layout.repositories)))


def _upload_folders(folder: str) -> Iterator[str]:
    for name in _names(folder):
        if name == "_uploads":
            yield f"{folder}/{name}"
        elif not name.startswith("_"):
            yield from _upload_folders(f"{folder}/{name}")


def _names(folder: str) -> list[str]:
    """What lies in a folder; nothing where there is none, or none any more."""
    try:
        return os.listdir(folder)  # noqa: PTH208 - names alone, of many folders
    except (FileNotFoundError, NotADirectoryError):
        return []
