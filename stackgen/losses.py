"""Secrets that were made once and are gone: what each loss means and the way out, in the same words for every command.

A stack that `init` finished has all of them, so one that isn't there was lost. What can be made anew at no one's cost
is made anew, and said; where others would lose something, nothing is made before somebody has asked for it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stackgen.profiles import load_profiles
from stackgen.secret_files import is_gone, is_lost
from stackgen.shell import stackgen_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stackgen.folder import StackFolder

_BACKUP = "put it back from a backup"


@dataclass(frozen=True, slots=True)
class Loss:
    """A secret that is gone, and what goes with it."""

    file: Path
    meaning: str
    remedy: str
    then: str
    """What to know once it is made anew."""
    state: str = "lost"
    """Or empty, as a full disk or a careless `>` leaves a file."""
    stops: bool = False
    """Whether a render refuses to make it anew until it is asked to."""

    @property
    def text(self) -> str:
        """File and meaning."""
        return f"{self.file} is {self.state}: {self.meaning}"


def find_losses(folder: StackFolder) -> tuple[Loss, ...]:
    """Every secret of a finished stack that is gone; what may not be looked at counts as there."""
    if not folder.is_stack():
        return ()
    gone = [_as_found(loss) for loss in _possible(folder) if is_lost(loss.file)]
    # Typed once, the way on must lead past all of them.
    words = [word for loss in gone if loss.stops for word in ("--anew", name_of(folder, loss.file))]
    way_on = stackgen_line(folder, "render", *words)
    return tuple(replace(loss, remedy=f"{_BACKUP}; {loss.remedy}: {way_on}") if loss.stops else loss for loss in gone)


def _as_found(loss: Loss) -> Loss:
    return loss if is_gone(loss.file) else replace(loss, state="empty")


def find_loss(folder: StackFolder, file: Path) -> Loss | None:
    """What it means that this secret is gone; None where it isn't."""
    return next((loss for loss in find_losses(folder) if loss.file == file), None)


def find_refused(folder: StackFolder, anew: frozenset[str] = frozenset()) -> tuple[Loss, ...]:
    """The losses at which a render stops that was asked to make these files anew."""
    return tuple(loss for loss in find_losses(folder) if loss.stops and name_of(folder, loss.file) not in anew)


def name_of(folder: StackFolder, file: Path) -> str:
    """A secret's file as people type it."""
    return file.relative_to(folder.root).as_posix()


def _possible(folder: StackFolder) -> Iterator[Loss]:
    """Every secret, as if it were lost."""
    yield Loss(
        folder.htpasswd,
        "all users and their passwords are gone with it",
        "or go on with the first user alone",
        then=f"all users but the first are gone, whose password is in {folder.admin_password}",
        stops=True,
    )
    yield Loss(
        folder.access,
        "the rules of who may do what are gone with it",
        "or let every user do everything",
        then="every user may do everything",
        stops=True,
    )
    render = f"{_BACKUP}, or make another: {stackgen_line(folder, 'render')}"
    again = "uploads under way have to begin again"
    yield Loss(folder.http_secret, again, render, then=again)
    for profile in load_profiles():
        kept = {secret.path: secret for secret in profile.kept_secrets}
        for path in profile.secrets:
            if secret := kept.get(path):
                meaning = f"{secret.service}, where it ever ran, keeps a password that is written nowhere else"
                rotate = f"while {secret.service} runs, type: {stackgen_line(folder, 'rotate', secret.rotate)}"
                yield Loss(folder.root / path, meaning, f"{render}; then, {rotate}", then=rotate)
            else:
                meaning = f"the profile {profile.name} needs it"
                yield Loss(folder.root / path, meaning, render, then=meaning)
