"""The benchmark runs, and finds nothing wrong with what is measured; how fast it is, people judge."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.contenders import ours
from bench.reading import SCENARIOS as SCENARIOS_THAT_READ
from bench.runner import run_scenarios
from bench.scenario import SHORT
from bench.tree import V2, write_tree
from bench.workspace import make_workspace

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


@pytest.mark.slow
@pytest.mark.skipif(any(shutil.which(name) is None for name in PROGRAMS), reason="needs nginx, wrk, ab and skopeo")
def test_a_wrong_answer_is_no_fast_one(tmp_path):
    """A registry that answers quickly, with another content, a tag that leads elsewhere, a name too few, has failed."""
    workspace = make_workspace(tmp_path)
    tree = write_tree(tmp_path / "tree", repositories=2, tags=1, many=200, large=1 << 20)
    spoil(tree)
    chosen = [s for s in SCENARIOS_THAT_READ if s.key in {"manifest-get-tag", "blob-get-1", "tags", "catalog"}]
    taken = run_scenarios(chosen, [ours()], workspace, tree=tree, scale=SHORT, told=lambda _: None)
    failed = {one.scenario: one.sample.failed > 0 for one in taken if one.sample is not None}
    assert failed == {"manifest-get-tag": True, "blob-get-1": True, "tags": True, "catalog": False}


def spoil(tree):
    """Another large blob under the same digest, another image under a tag, and a tag less."""
    digest = tree.large_blob.removeprefix("sha256:")
    blob = tree.root / V2 / "blobs" / "sha256" / digest[:2] / digest / "data"
    blob.write_bytes(bytes(tree.large_size))
    one, other = tree.images
    tags = tree.root / V2 / "repositories" / one.repository / "_manifests"
    for link in (
        tags / "tags" / one.tag / "current" / "link",
        tags / "revisions" / other.manifest.replace(":", "/") / "link",
    ):
        link.parent.mkdir(parents=True, exist_ok=True)
        link.write_text(other.manifest)
    shutil.rmtree(tree.root / V2 / "repositories" / tree.many_tags / "_manifests" / "tags" / "t50")
