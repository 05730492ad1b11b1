"""Where this process counts what the table says is counted."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from registry_app.metrics.rows import new_row

if TYPE_CHECKING:
    from registry_app.metrics.rows import Row


class Recorder:
    """A row to add to, that of the process's slot or one of its own, and the lock to hold meanwhile."""

    def __init__(self, row: Row | None = None) -> None:
        self.row = new_row() if row is None else row
        self.lock = threading.Lock()
