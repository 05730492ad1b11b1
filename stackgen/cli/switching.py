"""What `enable` and `disable` share: COMPOSE_PROFILES in `.env` is the switch."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from registry_app.administration import recorded
from stackgen import dotenv
from stackgen.env_file import describe, load_settings, read_env, read_settings
from stackgen.errors import StackgenError
from stackgen.profiles import BASE, load_profiles
from stackgen.shell import shell_line
from stackgen.writing import exclusive, replace_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from stackgen.folder import StackFolder

VARIABLE = "COMPOSE_PROFILES"


def switch(folder: StackFolder, name: str, change: Callable[[tuple[str, ...]], tuple[str, ...]]) -> bool:
    """Writes the changed list of profiles; whether that was a change. StackgenError for an unknown profile."""
    known = [profile.name for profile in load_profiles() if profile.name != BASE]
    with exclusive(folder):
        before = load_settings(folder).compose_profiles
        if name not in known and name not in before:
            near = difflib.get_close_matches(name, known, n=1)
            raise StackgenError(
                f"there is no profile {name!r}",
                hint=f"did you mean {near[0]}?" if near else f"there are: {', '.join(known) or 'none'}",
            )
        after = change(before)
        if after == before:
            return False
        text = dotenv.set_value(read_env(folder), VARIABLE, ",".join(after))
        _refuse_contradictions(folder, text)
        with recorded(folder.audit_log, "disable" if name in before else "enable", subject=name):
            replace_text(folder.env, text)
    return True


def _refuse_contradictions(folder: StackFolder, text: str) -> None:
    """StackgenError where a profile's settings can't be had beside the others."""
    if problems := read_settings(text, root=folder.root).problems:
        hint = f"edit {shell_line(folder.env)}, then run the command again"
        raise StackgenError(describe(problems), hint=hint)
