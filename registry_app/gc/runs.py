"""What the last collection and the last scrub did, for metrics, pages and people."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

from registry_app.storage.failures import is_full

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from registry_app.storage import Storage

_LARGEST = 1024 * 1024


def record_run(storage: Storage, kind: str, summary: Mapping[str, object]) -> None:
    """Keeps the summary of the last run of this kind; on a broken disk the old one stays.

    On a full one the room of the old one is used: a run of which nobody knew would be due again at once.
    """
    path, text = storage.layout.run(kind), json.dumps(summary).encode()
    with contextlib.suppress(OSError):
        try:
            storage.files.write(path, text)
        except OSError as error:
            if not is_full(error):
                raise
            _overwrite(path, text)


def _overwrite(path: Path, text: bytes) -> None:
    with path.open("r+b") as file:
        file.write(text)
        file.truncate()


def last_run(storage: Storage, kind: str) -> dict[str, Any] | None:
    """The summary of the last run of this kind; None if there was none."""
    try:
        found = json.loads(storage.files.read(storage.layout.run(kind), limit=_LARGEST))
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) else None
