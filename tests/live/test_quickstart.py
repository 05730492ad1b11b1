"""The README's first command where a Docker Engine answers."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.live.stack import succeed

pytestmark = pytest.mark.live
QUICKSTART = Path(__file__).parents[2] / "scripts" / "quickstart"


def test_quickstart(engine: None, tmp_path: Path) -> None:
    """It starts the stack with Compose, pushes and pulls with docker, and leaves the stack running."""
    folder = tmp_path / "quickstart"
    try:
        done = subprocess.run(
            [QUICKSTART, folder], capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "with docker" in done.stdout
        assert len(re.findall(r"^  sha256:[0-9a-f]{64}$", done.stdout, re.MULTILINE)) >= 3
        running = succeed(["docker", "compose", "ps", "--services"], within=30, cwd=folder).stdout.split()
        assert sorted(running) == ["nginx", "registry"]
    finally:
        if folder.exists():
            succeed(["docker", "compose", "down", "--volumes", "--timeout", "20"], within=90, cwd=folder)
