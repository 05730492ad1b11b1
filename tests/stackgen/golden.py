"""The golden stack of this version: `python -m tests.stackgen.golden` writes it anew (see scripts/golden)."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from registry_app import __version__
from stackgen.env_file import read_settings
from stackgen.lockfile import Lock, LockEntry, digest, format_lock
from stackgen.planning import PlanInputs, plan_stack

GOLDEN = Path(__file__).parents[1] / "golden"
# The registry's image is named after its build context, which changes with every line of the service.
_CONTEXT = re.compile(rb"(stackgen-registry:[0-9.]+-)[0-9a-f]{12}")
_LEFT_OUT = ("registry/registry_app/", "registry/requirements.txt")


def golden_files(version: str) -> dict[str, bytes]:
    """Path → content of what this checkout renders from a golden stack's settings."""
    settings = read_settings((GOLDEN / version / "input.env").read_text()).settings
    if settings is None:
        raise ValueError(f"golden stack {version} has settings that this version refuses")
    files = plan_stack(PlanInputs(settings)).files
    return {one.path: _CONTEXT.sub(rb"\1context", one.content) for one in files if not one.path.startswith(_LEFT_OUT)}


def lock_of(files: dict[str, bytes], version: str) -> str:
    """The lock file of a stack that holds just these files."""
    return format_lock(Lock(version, {path: LockEntry(digest(content)) for path, content in files.items()}))


def write_golden(version: str) -> None:
    """Replaces the golden stack of a version."""
    expected = GOLDEN / version / "expected"
    shutil.rmtree(expected, ignore_errors=True)
    for path, content in golden_files(version).items():
        (expected / path).parent.mkdir(parents=True, exist_ok=True)
        (expected / path).write_bytes(content)


if __name__ == "__main__":
    write_golden(__version__)
