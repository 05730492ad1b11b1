"""What a stack goes through in its life: restarts, neighbours, another shape, a full disk."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.live.conftest import StackMaker
from tests.live.sample import sample_image
from tests.live.stack import Answer, LiveStack, succeed

pytestmark = pytest.mark.live


def test_restart(stack: LiveStack) -> None:
    """A restart loses nothing."""
    stack.login()
    with sample_image(stack, "team/restarted:1") as image:
        image.push()
        stack.compose("restart")
        stack.compose("up", "--detach", "--wait")
        image.forget()
        assert image.pull() == image.identity


def test_requests_wait_for_a_registry_whose_address_changes(make_stack: StackMaker) -> None:
    """Between two tries of one request: nginx hangs on the old address while Docker's DNS forgets it."""
    stack = make_stack("moved")
    container = stack.compose("ps", "--quiet", "registry").stdout.strip()
    network = json.loads(stack.compose("config", "--format", "json").stdout)["networks"]["backend"]["name"]
    asked: list[Future[Answer]] = []
    with ThreadPoolExecutor(100) as clients:
        for moment in range(70):
            if moment == 10:
                stack.docker("network", "disconnect", network, container)
            if moment == 60:
                stack.docker("network", "connect", "--alias", "registry", network, container)
            asked.append(clients.submit(stack.ask, "/v2/"))
            time.sleep(0.05)
    assert Counter(one.result().status for one in asked) == {200: len(asked)}


def test_down_and_up(stack: LiveStack) -> None:
    """`down` and `up` lose nothing, nor does a collection in between, and the login stays valid."""
    stack.login()
    with sample_image(stack, "team/downed:1") as image:
        image.push()
        stack.compose("down")
        collected = succeed([sys.executable, "-m", "stackgen", "gc", "--quiet", stack.folder], within=120)
        assert "removed 0 blobs" in collected.stdout
        stack.compose("up", "--detach", "--wait")
        image.forget()
        assert image.pull() == image.identity


def test_a_collection_before_the_first_start_makes_nothing(tmp_path: Path) -> None:
    """There are no images yet: that is said, and neither an image is built nor a volume made."""
    succeed([sys.executable, "-m", "stackgen", "init", tmp_path / "unborn", "--yes"], within=60)
    command = [sys.executable, "-m", "stackgen", "gc", str(tmp_path / "unborn")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "this stack has never been started" in done.stderr
    volumes = succeed(["docker", "volume", "ls", "--quiet", "--filter", "name=unborn"], within=30).stdout
    assert volumes == ""


def test_two_stacks(stack: LiveStack, make_stack: StackMaker) -> None:
    """Two stacks live side by side on one host, each with its own images and users."""
    other = make_stack("neighbour")
    assert other.authority != stack.authority
    stack.login()
    other.login()
    with sample_image(stack, "team/same:1") as mine, sample_image(other, "team/same:1") as theirs:
        mine.push()
        theirs.push()
        mine.forget()
        theirs.forget()
        assert mine.pull() == mine.identity
        assert theirs.pull() == theirs.identity

    refused = stack.try_docker(
        "login", "--username", other.user, "--password-stdin", stack.authority, stdin=other.password
    )
    assert refused.returncode != 0


def test_without_proxy(make_stack: StackMaker) -> None:
    """With PROXY=none the registry alone speaks TLS and takes pushes."""
    single = make_stack("single", PROXY="none")
    assert single.compose("ps", "--services").stdout.split() == ["registry"]
    refused = single.try_docker(
        "login", "--username", single.user, "--password-stdin", single.authority, stdin="not the password"
    )
    assert "unauthorized" in refused.stderr.lower(), refused.stderr  # and no answer of plain HTTP, which docker tries
    single.login()
    with sample_image(single, "team/direct:1", size=5_000_000) as image:
        image.push()
        image.forget()
        assert image.pull() == image.identity


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, 96 MB of ext4."""
    backing, mounted = tmp_path / "disk.img", tmp_path / "disk"
    mounted.mkdir()
    succeed(["truncate", "--size", "96M", backing], within=10)
    succeed(["mkfs.ext4", "-q", "-m", "0", backing], within=20)
    try:
        succeed(["mount", "-o", "loop", backing, mounted], within=20)
    except AssertionError as refused:
        pytest.skip(f"no loop device can be mounted here: {refused}")
    try:
        yield mounted
    finally:
        succeed(["umount", mounted], within=20)


def test_full_disk(small_disk: Path, make_stack: StackMaker) -> None:
    """A stack whose disk is full starts again, serves pulls, refuses pushes, and recovers."""
    crowded = make_stack("crowded", STORAGE_DIR=str(small_disk / "data"), STORAGE_RESERVE="8MiB")
    crowded.login()
    with sample_image(crowded, "team/kept:1") as kept, sample_image(crowded, "team/refused:1", size=1_000_000) as more:
        kept.push()
        _fill(small_disk)
        crowded.compose("down")
        crowded.compose("up", "--detach", "--wait")

        kept.forget()
        assert kept.pull() == kept.identity
        # Not by docker, which tries for 75 seconds.
        refused = crowded.ask("/v2/team/refused/blobs/uploads/", method="POST")
        assert refused.status in {503, 507}
        assert refused.json()["errors"], refused

        (small_disk / "filler").unlink()
        more.push()


def _fill(disk: Path) -> None:
    """Leave not one free block."""
    for size in ("1M", "4k", "1"):
        subprocess.run(
            ["dd", "if=/dev/zero", f"of={disk / 'filler'}", f"bs={size}", "oflag=append", "conv=notrunc", "status=none"],
            check=False, timeout=60, stderr=subprocess.DEVNULL,
        )  # fmt: skip
