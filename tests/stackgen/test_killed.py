"""Killed at any system call that changes the disk, init and render leave the old stack or the new one."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml

from stackgen.dotenv import set_value
from stackgen.folder import StackFolder
from tests.stackgen.killing import CHANGING, VISIBLE, Reader, kill_at, points_of, states_of

pytestmark = [
    pytest.mark.fault,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed (scripts/prerequisites)"),
]
# Every state is too many for each CI run: STACKGEN_KILL_STEP=1 tries them all, STEP=4 with OFFSET=0 to 3 in four parts.
STEP = int(os.environ.get("STACKGEN_KILL_STEP", "0"))
OFFSET = int(os.environ.get("STACKGEN_KILL_OFFSET", "0"))
NOT_RENDERED = {"./secrets", "./certs", "./grafana-secrets"}
MADE_ANEW = re.compile(
    r"(secrets|ca|certs|grafana-secrets)/|\.stackgen/(mutex|journal|staging|bridge|certificate|audit)"
)
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": "/usr/sbin:/usr/bin:/bin"}


def command(*arguments):
    """Stackgen as a process of its own that writes no byte code."""
    return [sys.executable, "-B", "-m", "stackgen", *arguments]


def content(root):
    """Every file that a render decides about."""
    files = (path for path in root.rglob("*") if path.is_file())
    return {name: path.read_bytes() for path in files if not MADE_ANEW.match(name := path.relative_to(root).as_posix())}


def started_by_compose(root):
    """What `docker compose up` would start, as a hash: compose.yaml with contents in place of the names of folders."""
    project = yaml.safe_load((root / "compose.yaml").read_text())

    def inside(source):
        return {
            path.relative_to(root / source).as_posix(): path.read_bytes().decode()
            for path in (root / source).rglob("*")
            if path.is_file()
        }

    for service in project["services"].values():
        for mount in service.get("volumes", []):
            if mount["source"].startswith("./") and mount["source"] not in NOT_RENDERED:
                mount["source"] = inside(mount["source"])
        if "build" in service:
            service["build"]["context"] = inside(service["build"]["context"])
    return hashlib.sha256(json.dumps(project, sort_keys=True).encode()).hexdigest()


def timeless(state):
    """What two runs leave alike: the lines of the audit log tell when."""
    return {name: entry[:2] if name == ".stackgen/audit.log" else entry for name, entry in state.files.items()}


def some_states(arguments, root, *, step):
    """(number, state) of those that are tried: every state, or one of so many."""
    for number, state in enumerate(states_of(command(*arguments), root, environment=ENVIRONMENT)):
        if number % (STEP or step) == OFFSET:
            yield number, state


def test_a_killed_init_leaves_no_stack_or_a_whole_one(tmp_path, stackgen):
    """And the next init makes it."""
    root = tmp_path / "running"
    root.mkdir()
    init = ["init", "s", "--domain", "registry.example.com", "--yes"]
    made, tried = [], 0
    for number, state in some_states(init, root, step=31):
        tried += 1
        place = tmp_path / str(number)
        state.restore(place)
        if (place / "s").exists():
            made.append((state.call, content(place / "s")))
        else:
            stackgen("init", place / "s", "--domain", "registry.example.com", "--yes")
            assert [path.name for path in place.iterdir()] == ["s"], state.call
        shutil.rmtree(place)
    whole = content(root / "s")
    assert [call for call, found in made if found != whole] == []
    print(f"{tried} states tried, the stack there in {len(made)}")  # noqa: T201 - a person should know
    assert tried > len(made)


@pytest.mark.parametrize(
    "settings",
    [{"HSTS": "true", "LOG_FORMAT": "text", "REGISTRY_WORKERS": "7"}, {"PROXY": "none", "HTTPS_PORT": "5000"}],
    ids=["a few files", "another shape"],
)
def test_a_killed_render_leaves_the_old_stack_or_the_new_one(tmp_path, stackgen, settings):
    """For Compose at once, whatever is started from where it was cut; file by file once the next command is done."""
    root = tmp_path / "running"
    stackgen("init", root, "--domain", "registry.example.com", "--yes")
    (root / "nginx/conf.d/mine.conf").write_text("# mine\n")
    text = (root / ".env").read_text()
    for name, value in settings.items():
        text = set_value(text, name, value)
    old, stacks = content(root), [started_by_compose(root)]
    (root / ".env").write_text(text)
    shutil.copytree(root, tmp_path / "done", symlinks=True)
    stackgen("render", tmp_path / "done")
    new = content(tmp_path / "done")
    stacks.append(started_by_compose(tmp_path / "done"))
    outcomes = Counter()
    for number, state in some_states(["render"], root, step=7):
        place = tmp_path / str(number)
        state.restore(place)
        outcomes[stacks.index(started_by_compose(place))] += 1
        after = content(place)
        for name, text in after.items():
            assert text in {old.get(name), new.get(name)} or name in {".env", "compose.yaml"}, (state.call, name)
        stackgen("plan", place, code=0 if StackFolder(place).journal.exists() or after == new else 2)
        now = content(place)
        assert now in (new, old | {".env": new[".env"]}), state.call
        stackgen("render", place)
        assert content(place) == new, state.call
        shutil.rmtree(place)
    print(f"{outcomes.total()} states tried, the new stack in {outcomes[1]}")  # noqa: T201 - a person should know
    assert set(outcomes) == {0, 1}


def test_a_kill_leaves_what_the_stops_show(tmp_path, stackgen):
    """Real kills: each leaves one of the states that the tests above try."""
    stackgen("init", "first", "--domain", "registry.example.com", "--yes")
    text = (tmp_path / "first/.env").read_text()
    (tmp_path / "first/.env").write_text(set_value(text, "LOG_FORMAT", "text"))
    root = tmp_path / "running"
    shutil.copytree(tmp_path / "first", root, symlinks=True)
    shown = [timeless(state) for state in states_of(command("render"), root, environment=ENVIRONMENT)]
    log = tmp_path / "calls"

    def run(place, *options):
        shutil.copytree(tmp_path / "first", place, symlinks=True)
        traced = ["strace", "-y", "-o", log, "-e", f"trace={CHANGING}", *options, *command("render")]
        return subprocess.run(traced, cwd=place, env=ENVIRONMENT, capture_output=True, check=False).returncode

    assert run(tmp_path / "whole") == 0
    points = points_of(log, VISIBLE)
    for number in range(4):
        place = tmp_path / str(number)
        assert run(place, *kill_at(points[len(points) * (number + 1) // 5])) == -signal.SIGKILL
        assert timeless(Reader(place).read()) in shown
