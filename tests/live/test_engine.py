"""The script that makes an engine answer."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

ENGINE = Path(__file__).parents[2] / "scripts" / "engine"


@pytest.mark.live
def test_a_second_run(engine: None) -> None:
    """Where everything answers, the script changes nothing and ends within seconds."""
    began = time.monotonic()
    done = subprocess.run([ENGINE], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - began < 20
    assert "making" not in done.stdout
    assert "building" not in done.stdout


def test_wrong_usage() -> None:
    """A word that it does not know is refused with the words that it does."""
    done = subprocess.run([ENGINE, "strat"], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 2
    assert "up | status | stop" in done.stderr
