"""The benchmark runs, and finds nothing wrong with what is measured; how fast it is, people judge."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PROGRAMS = ("nginx", "wrk", "ab", "skopeo", "openssl")
SCENARIOS = "manifest-get-tag,blob-head,blob-get-1,tags,push-one,push-small,skopeo-push"


@pytest.mark.slow
@pytest.mark.skipif(any(shutil.which(name) is None for name in PROGRAMS), reason="needs nginx, wrk, ab and skopeo")
def test_every_answer_of_a_short_run_is_right(tmp_path):
    """Reading, writing and a real client, each with samples of ours and none failed."""
    output = tmp_path / "result.json"
    command = [sys.executable, "-m", "bench", "--short", "--only", SCENARIOS, "--output", output, "--folder", tmp_path]
    done = subprocess.run(
        [*command, "--docker-registry", "none"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    samples = [s for s in json.loads(output.read_text())["samples"] if s["contender"] == "ours"]
    assert {s["scenario"] for s in samples} >= set(SCENARIOS.split(","))
    assert all(s["value"] > 0 and not s["failed"] for s in samples)
