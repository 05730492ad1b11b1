"""The steps of a render in their order: read, plan, diff, write."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stackgen.bridging import Bridge, plan_bridge
from stackgen.diffing import Change, diff_plan
from stackgen.env_file import load_settings
from stackgen.errors import StackgenError
from stackgen.lockfile import Lock, load_lock
from stackgen.planning import PlanInputs, StackPlan, plan_stack
from stackgen.profiles import load_profiles
from stackgen.shell import stackgen_line
from stackgen.writing import read_disk

if TYPE_CHECKING:
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


def draft(folder: StackFolder, *, overwrite: frozenset[str] = frozenset()) -> Draft:
    """What a render would do; StackgenError for settings that can't be used. Changes nothing."""
    return draft_with(folder, load_settings(folder), overwrite=overwrite)


def draft_with(folder: StackFolder, settings: StackSettings, *, overwrite: frozenset[str] = frozenset()) -> Draft:
    """What a render with these settings would do, whatever `.env` says."""
    lock = load_lock(folder)
    inputs = PlanInputs(settings, load_profiles(), load_pins(folder))
    plan = plan_stack(inputs)
    changes = diff_plan(plan, read_disk(folder, plan, lock), lock, overwrite=overwrite)
    return Draft(settings, plan, lock, changes, plan_bridge(inputs, changes))


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
