"""On a full disk every command names the file, the room and the way out, and leaves the stack as it was."""

from __future__ import annotations

import os
import subprocess

import pytest

from stackgen.folder import StackFolder
from tests.serving import free_port

pytestmark = [pytest.mark.fault, pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts a small disk")]
PAGE = 4096


@pytest.fixture
def disk(tmp_path):
    """A file system of 4 MiB; `fill(disk, left=…)` leaves that many pages of it."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "none", place]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def fill(disk, *, left):
    """Takes all room but some pages."""
    free = os.statvfs(disk).f_bavail
    with (disk / "filler").open("wb") as file:
        file.write(bytes(PAGE * (free - left)))


def contents(root):
    """Every file of a stack by its path, but for the commands' empty lock and their log."""
    files = [path for path in root.rglob("*") if path.is_file() and path.name not in {"mutex", "audit.log"}]
    return {str(path): path.read_bytes() for path in files}


@pytest.mark.parametrize("left", [0, 3, 60])
def test_an_init_without_room_leaves_nothing(stackgen, disk, left):
    """However far it came."""
    fill(disk, left=left)
    told = stackgen("init", "disk/s", "--yes", code=1).stderr
    assert "no space left: " in told
    assert "of 4 MiB are free there" in told
    assert "hint:  make room" in told
    assert "being-made" not in told
    assert [path.name for path in disk.iterdir()] == ["filler"]


@pytest.mark.parametrize(
    "command",
    [
        ("render", "disk/s"),
        ("users", "add", "bob", "disk/s", "--generate"),
        ("rotate", "tls", "disk/s"),
        ("enable", "observability", "disk/s"),
        ("serve", "disk/s", "--port", str(free_port())),
    ],
    ids=lambda command: command[0],
)
def test_a_command_without_room_leaves_the_stack_as_it_was(stackgen, disk, command):
    """No draft stays, and with room again the same command does its work."""
    stackgen("init", "disk/s", "--yes")
    folder = StackFolder(disk / "s")
    settings = folder.env.read_text()
    folder.env.write_text(settings.replace("PROXY=nginx", "PROXY=none") + "LOG_LEVEL=debug\n")
    before = contents(folder.root)
    fill(disk, left=0)
    told = stackgen(*command, code=1).stderr
    assert "disk/s/" in told
    assert "no space left: 0.0 of 4 MiB are free there" in told
    assert contents(folder.root) == before
    (disk / "filler").unlink()
    if command[0] != "serve":
        stackgen(*command)
        assert contents(folder.root) != before


def test_a_disk_without_inodes_is_told_apart(stackgen, disk):
    """There is room, and no room for another file."""
    subprocess.run(["mount", "-o", "remount,nr_inodes=400", disk], check=True)
    stackgen("init", "disk/s", "--yes")
    for number in range(os.statvfs(disk).f_favail):
        (disk / str(number)).touch()
    assert "all 400 inodes are in use" in stackgen("users", "add", "bob", "disk/s", "--generate", code=1).stderr
