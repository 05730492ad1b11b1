"""Killed at any system call that changes the disk, init and render leave the old stack or the new one."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from stackgen.dotenv import set_value
from stackgen.folder import StackFolder
from tests.stackgen.killing import kill_at, points_of

pytestmark = [
    pytest.mark.fault,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed (scripts/prerequisites)"),
]
CALLS = "rename,renameat,renameat2,unlink,unlinkat,mkdir,fsync,fchmod,fchown,rmdir,symlink,write,pwrite64"
# Every call is too many for each CI run: STACKGEN_KILL_STEP=1 tries them all.
STEP = int(os.environ.get("STACKGEN_KILL_STEP", "0"))
NOT_RENDERED = {"./secrets", "./certs", "./grafana-secrets"}
MADE_ANEW = re.compile(r"(secrets|ca|certs|grafana-secrets)/|\.stackgen/(mutex|journal|staging|bridge|certificate)")


def strace(*arguments, folder, inject=(), log="/dev/null"):
    """Runs stackgen under strace, without byte code being written."""
    command = ["strace", "-f", "-o", log, "-e", f"trace={CALLS}", *inject, sys.executable, "-B", "-m", "stackgen"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": "/usr/sbin:/usr/bin:/bin"}
    return subprocess.run([*command, *arguments], cwd=folder, env=environment, capture_output=True, check=False)


def points_in(*arguments, folder):
    """Where a run can be killed that changes the disk."""
    log = folder.with_suffix(".strace")
    done = strace(*arguments, folder=folder, log=str(log))
    assert done.returncode == 0, done.stderr
    return points_of(log)


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


def killed_runs(*arguments, prepare, step):
    """A run killed at its first such call, at a later one, and so on to the last."""
    points = points_in(*arguments, folder=prepare(0))
    killed = 0
    for number, point in enumerate(points[:: STEP or step], 1):
        place = prepare(number)
        killed += strace(*arguments, folder=place, inject=kill_at(point)).returncode == -signal.SIGKILL
        yield place
    assert killed > number / 2, f"only {killed} of {number} runs were killed"


def test_a_killed_init_leaves_no_stack_or_a_whole_one(tmp_path, stackgen):
    """And the next init makes it."""

    def prepare(number):
        place = tmp_path / str(number)
        place.mkdir()
        return place

    init = ["init", "s", "--domain", "registry.example.com", "--yes"]
    whole, outcomes = None, set()
    for place in killed_runs(*init, prepare=prepare, step=41):
        whole = whole or content(tmp_path / "0/s")
        if (place / "s").exists():
            assert content(place / "s") == whole
            outcomes.add("new")
        else:
            stackgen("init", place / "s", "--domain", "registry.example.com", "--yes")
            assert [path.name for path in place.iterdir()] == ["s"]
            outcomes.add("none")
        shutil.rmtree(place)
    assert "none" in outcomes


@pytest.mark.parametrize(
    "settings",
    [{"HSTS": "true", "LOG_FORMAT": "text", "REGISTRY_WORKERS": "7"}, {"PROXY": "none", "HTTPS_PORT": "5000"}],
)
def test_a_killed_render_leaves_the_old_stack_or_the_new_one(tmp_path, stackgen, settings):
    """For Compose at once, whatever is started from where it was cut; file by file once the next command is done."""
    stackgen("init", "first", "--domain", "registry.example.com", "--yes")
    (tmp_path / "first/nginx/conf.d/mine.conf").write_text("# mine\n")
    old = content(tmp_path / "first")

    def prepare(number):
        place = tmp_path / str(number)
        shutil.copytree(tmp_path / "first", place, symlinks=True)
        text = (place / ".env").read_text()
        for name, value in settings.items():
            text = set_value(text, name, value)
        (place / ".env").write_text(text)
        return place

    new, stacks, outcomes = None, [], set()
    for place in killed_runs("render", prepare=prepare, step=19):
        if new is None:
            new = content(tmp_path / "0")
            stacks = [started_by_compose(tmp_path / "first"), started_by_compose(tmp_path / "0")]
        outcomes.add(stacks.index(started_by_compose(place)))
        after = content(place)
        for name, text in after.items():
            assert text in {old.get(name), new.get(name)} or name in {".env", "compose.yaml"}, name
        stackgen("plan", place, code=0 if StackFolder(place).journal.exists() or after == new else 2)
        now = content(place)
        assert now in (new, old | {".env": new[".env"]})
        stackgen("render", place)
        assert content(place) == new
        shutil.rmtree(place)
    assert outcomes == {0, 1}
