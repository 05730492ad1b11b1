"""What the last collection and the last scrub did, for metrics, pages and people."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from registry_app.storage import Storage

_LARGEST = 1024 * 1024


def record_run(storage: Storage, kind: str, summary: Mapping[str, object]) -> None:
    """Keeps the summary of the last run of this kind; on a full or broken disk the old one stays."""
    path = storage.layout.run(kind)
    with contextlib.suppress(OSError):
        storage.files.write(path, json.dumps(summary).encode())


def last_run(storage: Storage, kind: str) -> dict[str, Any] | None:
    """The summary of the last run of this kind; None if there was none."""
    try:
        found = json.loads(storage.files.read(storage.layout.run(kind), limit=_LARGEST))
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) else None
