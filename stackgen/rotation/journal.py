"""Carries a rotation out so that a crash anywhere leaves a stack that works, and the next command finishes it.

1. `.stackgen/rotation.json` appears by a rename, with every step and all new content: the point of no return.
2. Each step is carried out; each is one rename, and between any two the stack works.
3. What must reload is told to (nginx), and who keeps a copy is given the new secret (Grafana); if that fails, the way
   back is carried out instead.
4. The records and the line in the audit log are written, then the journal goes: killed between these two, the line is
   there twice, never not at all.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from registry_app.administration import record_act
from stackgen.errors import StackgenError, refusal
from stackgen.losses import find_loss
from stackgen.profiles import kept_secrets
from stackgen.rotation.generations import authority_pair, serving_pair
from stackgen.rotation.records import Record, load_records, record_from_json, save_records
from stackgen.rotation.shapes import read_shape
from stackgen.rotation.steps import DropUser, SetHash, Step, step_from_json
from stackgen.running import ReloadError, hand_over, reload_certificate
from stackgen.secret_files import PRIVATE, put_file, sync_folder
from stackgen.shell import compose_line, shell_line

if TYPE_CHECKING:
    from stackgen.folder import StackFolder
    from stackgen.settings import StackSettings


@dataclass(frozen=True, slots=True)
class Rotation:
    """What is to be done. `back` undoes `steps` where the reload fails; `after` waits until it has succeeded.

    `hands_over` is the word for a secret of which a service keeps a copy, `remark` for whoever finishes it after an
    interruption. `event` is the act's name in the audit log, `subject` on whom or what, the title if empty.
    """

    title: str
    steps: tuple[Step, ...]
    back: tuple[Step, ...] = ()
    reloads: bool = False
    hands_over: str = ""
    after: tuple[Step, ...] = ()
    records: dict[str, Record | None] = field(default_factory=dict)
    remark: str = ""
    event: str = "rotate"
    subject: str = ""


def carry_out(folder: StackFolder, settings: StackSettings, rotation: Rotation) -> None:
    """Does all of it. StackgenError when the new state was refused and the old one is back."""
    put_file(folder.rotation_journal, json.dumps(_to_json(rotation)).encode(), mode=PRIVATE)
    _finish(folder, settings, rotation)


def resume(folder: StackFolder, settings: StackSettings) -> Rotation | None:
    """Finishes a rotation that was interrupted; gives it, or None where there was none."""
    if not folder.rotation_journal.exists():
        return None
    try:
        rotation = _from_json(json.loads(folder.rotation_journal.read_text(encoding="utf-8")))
    except (ValueError, RecursionError) as error:
        journal = folder.rotation_journal
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise StackgenError(
            f"{journal}, which tells what an interrupted rotation has yet to do, can't be understood: {reason}",
            hint="the stack works with the old secret or the new; put the file aside, then rotate once more: "
            + shell_line("mv", journal, journal.with_suffix(".broken")),
        ) from None
    if any(isinstance(step, SetHash | DropUser) for step in rotation.steps) and (
        loss := find_loss(folder, folder.htpasswd)
    ):
        raise refusal((loss,))
    _finish(folder, settings, rotation)
    return rotation


def _finish(folder: StackFolder, settings: StackSettings, rotation: Rotation) -> None:
    for step in rotation.steps:
        step.carry_out(folder.root)
    try:
        if rotation.reloads:
            reload_certificate(folder, settings)
        if rotation.hands_over:
            hand_over(folder, settings, kept_secrets()[rotation.hands_over])
    except ReloadError as error:
        for step in rotation.back:
            step.carry_out(folder.root)
        _forget(folder, rotation, result="refused, the old one is back")
        raise StackgenError(
            f"{rotation.title}: {error}; the old one is back in force",
            hint=error.remedy or f"see: {compose_line(folder, 'logs', '--tail', '20', error.service)}",
        ) from None
    for step in rotation.after:
        step.carry_out(folder.root)
    save_records(folder, rotation.records)
    _prune(folder, settings)
    _forget(folder, rotation, result="done")


def _prune(folder: StackFolder, settings: StackSettings) -> None:
    keep = {name for one in load_records(folder).values() for name in (one.previous, one.leaf) if name is not None}
    serving_pair(folder, settings).prune(folder.root, frozenset(keep))
    authority_pair(folder).prune(folder.root, frozenset(keep))


def _forget(folder: StackFolder, rotation: Rotation, *, result: str) -> None:
    record_act(folder.audit_log, rotation.event, subject=rotation.subject or rotation.title, result=result)
    folder.rotation_journal.unlink(missing_ok=True)
    sync_folder(folder.rotation_journal.parent)


def _to_json(rotation: Rotation) -> dict[str, object]:
    return {
        "title": rotation.title,
        "steps": [step.to_json() for step in rotation.steps],
        "back": [step.to_json() for step in rotation.back],
        "reloads": rotation.reloads,
        "hands_over": rotation.hands_over,
        "after": [step.to_json() for step in rotation.after],
        "records": {what: record and asdict(record) for what, record in rotation.records.items()},
        "remark": rotation.remark,
        "event": rotation.event,
        "subject": rotation.subject,
    }


_SHAPE: dict[str, type] = {
    "title": str, "steps": list, "back": list, "reloads": bool, "hands_over": str, "after": list, "records": dict,
    "remark": str, "event": str, "subject": str,
}  # fmt: skip
_OMITTED = {"hands_over": "", "remark": "", "event": "rotate", "subject": ""}
"""What journals of former versions lack."""


def _from_json(entry: object) -> Rotation:
    values = read_shape(_OMITTED | entry if isinstance(entry, dict) else entry, _SHAPE)
    if values["hands_over"] not in {"", *kept_secrets()}:
        raise ValueError("'hands_over' names no secret")
    steps, back, after = (tuple(map(step_from_json, values[name])) for name in ("steps", "back", "after"))
    records = {what: None if one is None else record_from_json(one) for what, one in values["records"].items()}
    return Rotation(**(values | {"steps": steps, "back": back, "after": after, "records": records}))
