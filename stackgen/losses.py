"""Secrets that were made once and are gone, or of no use: what that means and the way out, alike in every command.

A stack that `init` finished has all of them, so one that isn't there was lost. What can be made anew at no one's cost
is made anew, and said; where others would lose something, nothing is made before somebody has asked for it. What is
there and can't be used is never written over: it may be mended.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from stat import S_ISDIR, S_ISREG
from typing import TYPE_CHECKING

from stackgen.profiles import load_profiles
from stackgen.secret_files import is_gone, is_lost
from stackgen.shell import shell_line, stackgen_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from stackgen.folder import StackFolder

_BACKUP = "put it back from a backup"
_BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Loss:
    """A secret that is gone or of no use, and what goes with it."""

    file: Path
    meaning: str
    remedy: str
    then: str
    """What to know once it is made anew."""
    state: str = "lost"
    """Or empty, as a full disk or a careless `>` leaves a file; or broken, where nothing can read it."""
    stops: bool = False
    """Whether a render refuses to make it anew until it is asked to."""

    @property
    def is_broken(self) -> bool:
        """Whether it is there, and of no use."""
        return self.state == _BROKEN

    @property
    def text(self) -> str:
        """File and meaning."""
        return f"{self.file} is {self.state}: {self.meaning}"


def find_losses(folder: StackFolder) -> tuple[Loss, ...]:
    """Every secret of a finished stack that is gone or broken; what may not be looked at counts as good."""
    if not folder.is_stack():
        return ()
    found = [loss for possible in _possible(folder) if (loss := _as_found(folder, possible))]
    stopping = [loss for loss in found if loss.stops]
    # Typed once, the way on must lead past all of them.
    aside = [shell_line("mv", loss.file, _aside(loss.file)) for loss in stopping if loss.is_broken]
    words = [word for loss in stopping for word in ("--anew", name_of(folder, loss.file))]
    way_on = " && ".join([*aside, stackgen_line(folder, "render", *words)])
    return tuple(replace(loss, remedy=f"{loss.remedy}: {way_on}") if loss.stops else loss for loss in found)


def _as_found(folder: StackFolder, loss: Loss) -> Loss | None:
    """The loss as it is told; None for a secret that is there and can be used."""
    if is_lost(loss.file):
        remedy = f"{_BACKUP}; {loss.remedy}" if loss.stops else loss.remedy
        return replace(loss, remedy=remedy, state="lost" if is_gone(loss.file) else "empty")
    if (reason := _why_unusable(folder, loss.file)) is None:
        return None
    way_on = loss.remedy if loss.stops else "or make another"
    return replace(loss, state=_BROKEN, meaning=reason, remedy=f"mend it, or {_BACKUP}; {way_on}", stops=True)


def _why_unusable(folder: StackFolder, file: Path) -> str | None:
    """What keeps the registry from using a secret that is there; None where nothing does, or it may not be read."""
    # Imported here: parsers that few commands need otherwise.
    from registry_app.auth.access_file import parse_access_file  # noqa: PLC0415
    from registry_app.auth.htpasswd import parse_htpasswd  # noqa: PLC0415
    from registry_app.auth.http_secret import parse_secrets  # noqa: PLC0415
    from registry_app.auth.watched import FileRefusedError  # noqa: PLC0415

    parsers: dict[Path, Callable[[bytes], object]] = {
        folder.htpasswd: parse_htpasswd,
        folder.access: parse_access_file,
        folder.http_secret: parse_secrets,
    }
    try:
        # Not is_file(), which from Python 3.14 on is False, too, for what this user may not look at.
        if not S_ISREG(mode := file.stat().st_mode):
            return "it is a folder" if S_ISDIR(mode) else "it is no file"
        if parse := parsers.get(file):
            parse(file.read_bytes())
    except FileRefusedError as error:
        return str(error)
    except FileNotFoundError:
        return "it is no file"  # a link to nothing
    except OSError:
        return None
    return None


def _aside(file: Path) -> Path:
    """Where a file that is broken is kept, beside the one that takes its place."""
    return file.with_name(f"{file.name}.broken")


def find_loss(folder: StackFolder, file: Path) -> Loss | None:
    """What it means that this secret is gone; None where it isn't."""
    return next((loss for loss in find_losses(folder) if loss.file == file), None)


def refused(folder: StackFolder, losses: tuple[Loss, ...], anew: frozenset[str]) -> tuple[Loss, ...]:
    """Those of a stack's losses at which a render stops that was asked to make these files anew."""
    return tuple(loss for loss in losses if loss.stops and (loss.is_broken or name_of(folder, loss.file) not in anew))


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
