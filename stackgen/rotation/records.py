"""What is remembered of rotations: when each secret changed last, and until when its predecessor counts."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from stackgen.rotation.shapes import check_moment, read_shape
from stackgen.secret_files import PRIVATE, put_file

if TYPE_CHECKING:
    from stackgen.folder import StackFolder


@dataclass(frozen=True, slots=True)
class Record:
    """The last change of one secret; times are seconds since the epoch.

    `previous` names the generation that undo goes back to; `leaf`, beside an authority's, that of the certificate.
    """

    at: float
    old_until: float | None = None
    previous: str | None = None
    leaf: str | None = None


_SHAPE = {"at": float | int, "old_until": float | int | None, "previous": str | None, "leaf": str | None}


def load_records(folder: StackFolder) -> dict[str, Record]:
    """Secret (`http-secret`, `tls`, `ca`, `password:NAME`) → its last change; unreadable records count as none."""
    try:
        entries = json.loads(folder.rotation_records.read_text(encoding="utf-8"))
        return {what: record_from_json(entry) for what, entry in entries.items()}
    except (OSError, ValueError, AttributeError, RecursionError):
        return {}


def record_from_json(entry: object) -> Record:
    """A record as a file holds it. Raises ValueError, with the reason, for what is none."""
    values = read_shape(entry, _SHAPE)
    check_moment(values["at"])
    check_moment(values["old_until"])
    return Record(**values)


def save_records(folder: StackFolder, changes: dict[str, Record | None]) -> None:
    """Writes the changes over what is remembered; None forgets a secret."""
    records = {**load_records(folder), **changes}
    entries = {what: asdict(record) for what, record in sorted(records.items()) if record is not None}
    put_file(folder.rotation_records, json.dumps(entries, indent=1).encode(), mode=PRIVATE)
