"""Files that options and settings name: what is none is refused at once and in words, and leaves no stack."""

from __future__ import annotations

import os

import pytest

from registry_app import regular_files
from stackgen.folder import StackFolder


def a_fifo(path):
    """A pipe that nobody writes into."""
    os.mkfifo(path)


def a_huge_file(path):
    """Ten gigabytes without a block on the disk."""
    path.touch()
    os.truncate(path, 10 << 30)


@pytest.fixture(autouse=True)
def impatience(monkeypatch):
    """Pipes are given up soon."""
    monkeypatch.setattr(regular_files, "PATIENCE", 0.05)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (a_fifo, "nothing came out of this pipe"),
        (a_huge_file, "it holds more than 1 MiB"),
        (lambda path: path.mkdir(), "it is a folder"),
        (lambda path: path.symlink_to("/dev/zero"), "it is a device, not a file"),
        (lambda path: path.symlink_to("nowhere"), "is missing"),
    ],
)
def test_what_is_no_certificate_file_leaves_no_stack(stackgen, tmp_path, make, words):
    """Neither memory nor patience runs out."""
    make(tmp_path / "named")
    told = stackgen("init", "s", "--domain", "r.example", "--yes", "--cert", "named", "--key", "named", code=1).stderr
    assert words in told
    assert "hint:" in told or "->" in told
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("name", ["/dev/zero", "/", "pipe", "huge"])
def test_every_other_option_and_the_env_are_read_in_the_same_way(stackgen, folder, tmp_path, name):
    """--ca, --password-file, rotate's --cert and --key, and .env itself."""
    a_fifo(tmp_path / "pipe")
    a_huge_file(tmp_path / "huge")
    for arguments in (
        ["pin", folder.root, "--ca", name],
        ["users", "add", "bob", folder.root, "--password-file", name],
        ["rotate", "tls", folder.root, "--cert", name, "--key", name],
    ):
        assert "hint:" in (told := stackgen(*arguments, code=1).stderr) or "->" in told
    folder.env.unlink()
    folder.env.symlink_to(tmp_path / name)
    assert "can't be read" in stackgen("validate", folder.root, code=1).stderr


@pytest.fixture
def storage(stackgen, tmp_path):
    """What init says of a STORAGE_DIR; no stack is made."""

    def refuse(place):
        told = stackgen("init", "s", "--yes", "--storage-dir", place, code=1).stderr
        assert "instead" not in told  # of ports: nothing was made that could have them
        assert not (tmp_path / "s").exists()
        return told

    return refuse


def test_a_storage_folder_that_is_none_is_named(storage, tmp_path):
    """A file, a path behind one, a link to nowhere: no command that would fail again is proposed."""
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    for place, words in (
        (tmp_path / "file", "file is a file"),
        (tmp_path / "file/below/it", "file is a file"),
        (tmp_path / "link", "is a link to"),
        (tmp_path / "link/below", "is a link to"),
    ):
        told = storage(place)
        assert f"STORAGE_DIR {place} can't be used" in told
        assert words in told
        assert "sudo" not in told


def test_a_storage_folder_that_its_owner_may_not_write_into_is_named(storage, tmp_path):
    """With the command that mends it."""
    (tmp_path / "shut").mkdir(mode=0o550)
    owner = 10001 if os.geteuid() == 0 else os.geteuid()
    os.chown(tmp_path / "shut", owner, -1)
    told = storage(tmp_path / "shut")
    assert "has mode 0550" in told
    assert "chmod u+rwx" in told


def test_a_storage_folder_below_what_is_read_only_is_named(storage):
    """The kernel's own file systems are."""
    assert "choose a place where folders can be made" in storage("/proc/1/images")


def test_a_storage_folder_behind_a_link_is_taken(stackgen, tmp_path):
    """As Docker takes it."""
    (tmp_path / "disk").mkdir(mode=0o750)
    os.chown(tmp_path / "disk", 10001 if os.geteuid() == 0 else os.geteuid(), -1)
    (tmp_path / "images").symlink_to("disk")
    stackgen("init", "s", "--yes", "--storage-dir", tmp_path / "images")
    assert StackFolder(tmp_path / "s").is_stack()


def test_an_authority_that_no_image_can_be_built_with_is_an_error_of_env(stackgen, folder):
    """With its line, as every other one."""
    folder.env.write_text(folder.env.read_text() + "BUILD_EXTRA_CA=/nope\n")
    line = len(folder.env.read_text().splitlines())
    told = stackgen("validate", folder.root, code=1).stderr
    assert f"line {line}: BUILD_EXTRA_CA /nope can't be read" in told
