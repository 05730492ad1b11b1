"""The commands of the getting-started page, run in their order on a real engine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.live
PAGE = Path(__file__).parents[2] / "docs/getting-started.md"


def commands():
    """Every sh block of the page, as one script."""
    return "\n".join(re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL))


def test_the_page_s_commands_work_as_they_stand(stack, tmp_path):
    """One shell runs them all, as a reader would; the image that `stack` built serves here too."""
    script = commands()
    assert script.count("docker compose up") >= 2
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "DOCKER_CONFIG": str(tmp_path / "docker"),
    }
    plugins = Path.home() / ".docker/cli-plugins"
    if plugins.is_dir():
        (tmp_path / "docker").mkdir()
        (tmp_path / "docker/cli-plugins").symlink_to(plugins)
    port = _printed_port(environment, tmp_path)
    script = script.replace("localhost:8443", f"localhost:{port}")
    try:
        done = subprocess.run(
            ["sh", "-eu"], input=script, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        assert "Status: Downloaded newer image" in done.stdout
    finally:
        clean = ["docker", "compose", "-p", "mystack", "down", "-v", "--remove-orphans"]
        subprocess.run(clean, cwd=tmp_path, env=environment, capture_output=True, check=False)


def _printed_port(environment, tmp_path):
    """The port that init takes now, as it prints it: 8443 unless another stack has it."""
    trial = ["stackgen", "init", tmp_path / "trial" / "mystack", "--yes"]
    done = subprocess.run(trial, env=environment, capture_output=True, text=True, check=True)
    printed = re.search(r"https://localhost:(\d+)", done.stdout)
    assert printed
    return printed.group(1)
