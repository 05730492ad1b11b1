"""How a render changes a stack of many files in one step, so that `docker compose up` never meets a mixture.

compose.yaml is the one file that Compose starts from. When it changes together with files of folders that it mounts,
it first becomes a bridge: the new compose.yaml, but with copies of those folders as they will be, in
`.stackgen/bridge`. That rename is the moment at which the old stack becomes the new one. Then the files take their
places, and the last rename puts compose.yaml itself there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stackgen.diffing import PLACING, Action, Change
from stackgen.folder import BRIDGE, COMPOSE
from stackgen.planning import compose_elsewhere, mounted_folders

if TYPE_CHECKING:
    from stackgen.planning import PlanInputs, StackPlan


@dataclass(frozen=True, slots=True)
class Bridge:
    """A compose.yaml that needs none of the files on their way, and the folders that it wants copies of."""

    compose: Change
    folders: tuple[str, ...]

    def holds(self, path: str) -> bool:
        """Whether a file of the stack lies in one of the copied folders."""
        return any(path.startswith(f"{folder}/") for folder in self.folders)


def plan_bridge(inputs: PlanInputs, plan: StackPlan, changes: tuple[Change, ...]) -> Bridge | None:
    """The bridge that these changes need; None where one rename does it all, or compose.yaml is the user's."""
    placed = [change for change in changes if change.action in PLACING]
    compose = next((change for change in placed if change.path == COMPOSE and change.action is Action.UPDATE), None)
    folders = tuple(
        folder for folder in mounted_folders(inputs) if any(one.path.startswith(f"{folder}/") for one in placed)
    )
    if compose is None or not folders:
        return None
    moved = {folder: f"./{BRIDGE}/{folder}" for folder in folders}
    return Bridge(replace(compose, new=compose_elsewhere(inputs, plan, moved)), folders)
