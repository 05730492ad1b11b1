"""Which Compose projects an engine holds: two stacks of one name would take each other's containers and volumes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stackgen import docker
from stackgen.errors import StackgenError
from stackgen.neighbours import find_neighbours

if TYPE_CHECKING:
    from pathlib import Path

_PATIENCE = 3
"""Seconds; an engine that is slower or absent isn't waited for."""
_LABEL = "com.docker.compose.project"


@dataclass(frozen=True, slots=True)
class Claim:
    """What an engine holds of a project: the folders that its containers were started from, and its volumes."""

    folders: tuple[str, ...]
    volumes: tuple[str, ...]

    @property
    def text(self) -> str:
        """Folders, else volumes, as words."""
        if self.folders:
            return f"started from {', '.join(self.folders)}"
        return f"with {'the volume' if len(self.volumes) == 1 else 'the volumes'} {', '.join(self.volumes)}"


def find_claim(project: str) -> Claim | None:
    """What the engine holds of a project; None where it holds nothing, or doesn't answer quickly."""
    mine = ["--filter", f"label={_LABEL}={project}", "--format"]
    folders = _ask("ps", "--all", *mine, f'{{{{.Label "{_LABEL}.working_dir"}}}}')
    volumes = _ask("volume", "ls", *mine, "{{.Name}}") if folders is not None else None
    if not folders and not volumes:
        return None
    return Claim(tuple(sorted(set(folders or ()))), tuple(sorted(volumes or ())))


def refuse_claimed(project: str, folder: Path, *, remedy: str) -> Claim | None:
    """What the engine holds of a project that the user chose; StackgenError when it is of another folder's stack."""
    if other := next((one.folder for one in find_neighbours(folder) if one.project == project), None):
        raise StackgenError(
            f"the Compose project {project!r} is that of the stack in {other}: each would replace the other",
            hint=remedy,
        )
    claim = find_claim(project)
    if claim is None:
        return None
    if others := sorted(set(claim.folders) - {str(folder.resolve())}):
        raise StackgenError(
            f"the Compose project {project!r} runs from {', '.join(others)}: to start this stack would replace it",
            hint=remedy,
        )
    return claim


def _ask(*arguments: str) -> list[str] | None:
    """The lines of an answer; None for none."""
    answer = docker.ask(*arguments, seconds=_PATIENCE)
    return answer.out.split("\n")[:-1] if answer.ok else None
