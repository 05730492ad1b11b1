"""Fails, or kills at, every file system call of a push, one at a time."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

from registry_app.errors import RegistryError
from registry_app.oci.digests import Digest
from registry_app.storage import open_storage
from tests.faults.client import digest_of
from tests.faults.one_push import REPOSITORY, TAG, image_of, push
from tests.faults.outcome import Outcome
from tests.faults.writers import zero_links

CALLS = (
    "write",
    "pwrite64",
    "fsync",
    "fdatasync",
    "rename",
    "mkdir",
    "ftruncate",
    "openat",
    "unlink",
    "rmdir",
    "fcntl",
)
TOLD_EVERY = 100
MARK = "/where-the-push-begins"
ROOT = Path(__file__).parent.parent.parent


def why_not():
    """Why there can be no such run here, None if there can."""
    return None if shutil.which("strace") else "needs strace"


def every_call(folder, *, count, seed):
    """`count` of the points at which a push can be broken (0: all), each with EIO, ENOSPC and a kill."""
    folder.mkdir(parents=True, exist_ok=True)
    outcome = Outcome()
    points = [
        (call, n, fault)
        for call, first, last in _calls(folder, seed)
        for n in range(first, last + 1)
        for fault in ("error=EIO", "error=ENOSPC", "signal=SIGKILL")
    ]
    outcome.counts["possible points"] = len(points)
    if count:
        points = random.Random(seed).sample(points, min(count, len(points)))
    _run(folder / "before", "before")
    for place, (call, n, fault) in enumerate(points):
        root = folder / f"root{place}"
        shutil.copytree(folder / "before", root)
        problems = _break(root, call, n, fault, seed=seed, outcome=outcome)
        outcome.violations += [f"{call} number {n}, {fault}: {problem}" for problem in problems]
        shutil.rmtree(root)
        if (place + 1) % TOLD_EVERY == 0:
            print(outcome, flush=True)
    return outcome


def _calls(folder, seed):
    """Each system call with the numbers that its calls have within the push."""
    trace = folder / "trace"
    _run(folder / "first", "before")
    _run(
        folder / "first",
        seed,
        "strace",
        "-f",
        "-o",
        str(trace),
        "-e",
        f"trace={','.join((*CALLS, 'newfstatat', 'stat'))}",
    )
    before, _, after = trace.read_text().partition(MARK)
    for call in CALLS:
        pattern = re.compile(rf"^\d+ +{call}\(", re.MULTILINE)
        first, inside = len(pattern.findall(before)) + 1, len(pattern.findall(after))
        if inside:
            yield call, first, first + inside - 1


def _run(root, seed, *wrapper):
    root.mkdir(parents=True, exist_ok=True)
    return subprocess.run(
        [*wrapper, sys.executable, "-m", "tests.faults.one_push", str(root), str(seed)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def _break(root, call, n, fault, *, seed, outcome):
    trace = root / "trace"
    done = _run(
        root, seed, "strace", "-f", "-o", str(trace), "-e", f"trace={call}", "-e", f"inject={call}:{fault}:when={n}"
    )
    injected = "INJECTED" in trace.read_text() or done.returncode in (-9, 137)
    outcome.counts["broken"] += injected
    acknowledged = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("acknowledged")]
    if injected and call in ("fsync", "fdatasync") and fault != "signal=SIGKILL" and "manifest" in acknowledged:
        yield "a failed fsync was acknowledged"
    if (
        "Traceback" in done.stderr.split("storage failed")[-1]
        and "RegistryError" not in done.stderr
        and done.returncode == 1
        and "refused" not in done.stdout
    ):
        yield f"ended in a traceback: {done.stderr[-300:]}"
    yield from _state_problems(root, seed, acknowledged)
    try:
        push(root, seed, say=lambda _: None)
    except RegistryError as error:
        yield f"the next push is refused: {error}"
    yield from _state_problems(root, seed, ["blob0", "blob1", "manifest"])


def _state_problems(root, seed, acknowledged):
    """What is wrong with the store, given what was acknowledged of the push of `seed` over that of `before`."""
    storage, image, before = open_storage(root), image_of(seed), image_of("before")
    yield from (f"zero-byte link {path}" for path in zero_links(root))
    for place, blob in enumerate(image.blobs):
        if f"blob{place}" in acknowledged:
            try:
                _, file = storage.blobs.open(REPOSITORY, Digest.of(blob))
                with file:
                    if file.read() != blob:
                        yield f"blob{place} is corrupt"
            except RegistryError:
                yield f"blob{place} is lost"
    try:
        found = storage.manifests.get(REPOSITORY, TAG)
    except RegistryError:
        yield "the tag is lost"
        return
    allowed = {image.digest} if "manifest" in acknowledged else {image.digest, before.digest}
    if str(found.digest) not in allowed:
        yield f"the tag names {found.digest}"
    if digest_of(found.body) != str(found.digest):
        yield "the manifest is corrupt"
