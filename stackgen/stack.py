"""The steps of a render in their order: read, plan, diff, write."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stackgen.bridging import Bridge, plan_bridge
from stackgen.diffing import BESIDE_SUFFIX, Action, Change, diff_plan
from stackgen.env_file import load_settings
from stackgen.errors import StackgenError
from stackgen.lockfile import Lock, digest, load_lock
from stackgen.planning import PlanInputs, StackPlan, plan_stack
from stackgen.profiles import load_profiles
from stackgen.shell import shell_line, stackgen_line
from stackgen.writing import read_disk

if TYPE_CHECKING:
    from pathlib import Path

    from stackgen.folder import StackFolder
    from stackgen.settings import StackSettings


@dataclass(frozen=True, slots=True)
class Draft:
    """What a render of a stack would do."""

    settings: StackSettings
    plan: StackPlan
    lock: Lock
    changes: tuple[Change, ...]
    bridge: Bridge | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A file that the user edited and that lacks what was rendered since: the new version lies beside it."""

    file: Path
    beside: Path
    remedy: str

    @property
    def text(self) -> str:
        """File and reason."""
        return f"{self.file}: {self.reason}"

    @property
    def reason(self) -> str:
        """What there is to decide."""
        return f"you edited it, so it lacks what was rendered since: that lies beside it, as {self.beside.name}"


def find_waiting(
    folder: StackFolder, changes: tuple[Change, ...], *, actions: frozenset[Action] = frozenset({Action.WAIT})
) -> tuple[Waiting, ...]:
    """The edited files for which something is to be decided still."""
    return tuple(_waiting(folder, change.path) for change in changes if change.action in actions)


def _waiting(folder: StackFolder, path: str) -> Waiting:
    file, beside = folder.root / path, folder.root / (path + BESIDE_SUFFIX)
    compare, keep = shell_line("diff", "-u", file, beside), shell_line("rm", beside)
    take = stackgen_line(folder, "render", "--overwrite", path)
    return Waiting(file, beside, f"compare: {compare}; take it: {take}; keep yours: {keep}")


@dataclass(frozen=True, slots=True)
class Taken:
    """What lies where a new version would be put beside an edited file, and is not what stackgen put there."""

    beside: Path
    edited: Path

    @property
    def text(self) -> str:
        """File and reason."""
        return f"{self.beside}: it is yours, or edited, and the next version of {self.edited.name} would go there"

    @property
    def remedy(self) -> str:
        """The way to make room."""
        return f"take what you want of it into {self.edited}, then: {shell_line('rm', self.beside)}; or rename it"


def find_taken(folder: StackFolder, draft: Draft) -> tuple[Taken, ...]:
    """Every place beside an edited file that a render would have to write over."""
    found = []
    for change in draft.changes:
        place = folder.root / change.target
        if change.action is Action.BESIDE and os.path.lexists(place):
            ours = {draft.lock.entry(change.path).offered, digest(change.new or b"")}
            if not place.is_file() or place.is_symlink() or digest(place.read_bytes()) not in ours:
                found.append(Taken(place, folder.root / change.path))
    return tuple(found)


def draft(folder: StackFolder, *, overwrite: frozenset[str] = frozenset()) -> Draft:
    """What a render would do; StackgenError for settings that can't be used. Changes nothing."""
    return draft_with(folder, load_settings(folder), overwrite=overwrite)


def draft_with(folder: StackFolder, settings: StackSettings, *, overwrite: frozenset[str] = frozenset()) -> Draft:
    """What a render with these settings would do, whatever `.env` says."""
    lock = load_lock(folder)
    inputs = PlanInputs(settings, load_profiles(), load_pins(folder))
    plan = plan_stack(inputs)
    changes = diff_plan(plan, read_disk(folder, plan, lock), lock, overwrite=overwrite)
    return Draft(settings, plan, lock, changes, plan_bridge(inputs, plan, changes))


def load_pins(folder: StackFolder) -> dict[str, str]:
    """Image reference → digest as `stackgen pin` found them; none where nothing is pinned."""
    try:
        images = json.loads(folder.images_lock.read_text(encoding="utf-8"))["images"]
        return {str(reference): str(digest) for reference, digest in images.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise StackgenError(
            f"{folder.images_lock} can't be read: {error}", hint=f"make it anew: {stackgen_line(folder, 'pin')}"
        ) from None
