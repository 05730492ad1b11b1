"""Two stacks of one name on one engine would take each other's containers: init notices."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.live
INIT = (sys.executable, "-m", "stackgen", "init", "--yes")


def init(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs `stackgen init` for a folder."""
    return subprocess.run([*INIT, str(folder), *arguments], capture_output=True, text=True, check=False)


def project_of(folder: Path) -> str:
    """COMPOSE_PROJECT_NAME of a stack."""
    return (folder / ".env").read_text().split("COMPOSE_PROJECT_NAME=")[1].split()[0]


def test_a_project_that_is_there_already_is_noticed(engine: None, tmp_path: Path) -> None:
    """A default name gives way and says so; a chosen one is refused; volumes of the past are told of."""
    name = f"claimed-{tmp_path.name.lower().replace('_', '-')}"
    labels = ["--label", f"com.docker.compose.project={name}"]
    made = subprocess.run(["docker", "volume", "create", *labels], capture_output=True, text=True, check=True)
    volume = made.stdout.strip()
    try:
        done = init(tmp_path / name)
        assert done.returncode == 0, done.stderr
        assert volume in done.stderr
        assert project_of(tmp_path / name).startswith(f"{name}-")
        chosen = init(tmp_path / "chosen", "--project-name", name)
        assert chosen.returncode == 0, chosen.stderr
        assert "goes on with what is there" in chosen.stderr
        assert project_of(tmp_path / "chosen") == name
        folder = ["--label", "com.docker.compose.project.working_dir=/srv/elsewhere"]
        image = subprocess.run(["docker", "images", "-q"], capture_output=True, text=True, check=True).stdout.split()[0]
        subprocess.run(["docker", "create", "--name", name, *labels, *folder, image], capture_output=True, check=True)
        refused = init(tmp_path / "far away" / "refused", "--project-name", name)
        assert refused.returncode == 1
        assert "/srv/elsewhere" in refused.stderr
        assert "--project-name NAME" in refused.stderr
        assert not (tmp_path / "far away").exists()
    finally:
        subprocess.run(["docker", "rm", "--force", name], capture_output=True, check=False)
        subprocess.run(["docker", "volume", "rm", "--force", volume], capture_output=True, check=False)
