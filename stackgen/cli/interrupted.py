"""What a command that changes secrets does first: finish what another one could not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry_app.administration import record_act
from stackgen.cli.terminal import say, warn
from stackgen.rotation.journal import resume

if TYPE_CHECKING:
    from stackgen.folder import StackFolder
    from stackgen.settings import StackSettings


def finish_interrupted(folder: StackFolder, settings: StackSettings) -> None:
    """Finishes a rotation that was interrupted, and says so; the caller holds the stack's lock."""
    finished = resume(folder, settings)
    if finished is None:
        return
    say(f"finished what was interrupted: {finished.title}")
    record_act(folder.audit_log, "rotate-resumed", subject=finished.title)
    if finished.remark:
        warn(finished.remark)
