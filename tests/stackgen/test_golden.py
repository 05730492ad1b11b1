"""Stacks of this version and of earlier ones: what is rendered changes only when someone means it, upgrades are smooth."""

import os
import shutil

import bcrypt
import pytest

from registry_app import __version__
from stackgen.folder import StackFolder
from tests.stackgen.golden import GOLDEN, golden_files, lock_of

VERSIONS = sorted(path.name for path in GOLDEN.iterdir() if path.is_dir())


def expected(version):
    """Path → content of a golden stack as it was written."""
    top = GOLDEN / version / "expected"
    return {path.relative_to(top).as_posix(): path.read_bytes() for path in top.rglob("*") if path.is_file()}


@pytest.mark.slow  # not before each landing: whoever changes a template and whoever changes another one would meet here
def test_the_golden_stack_is_what_this_checkout_renders():
    """Run scripts/golden, read the diff, and commit it when it is meant."""
    assert expected(__version__) == golden_files(__version__)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_stack_of_an_earlier_version_is_upgraded_by_one_render(stackgen, tmp_path, version):
    """Untouched files are renewed, secrets and a file that the user edited stay, nothing of the old version is left."""
    folder = StackFolder(tmp_path / "old")
    shutil.copytree(GOLDEN / version / "expected", folder.root)
    uid, gid = os.geteuid() or 10001, os.getegid() or 10001
    env = (GOLDEN / version / "input.env").read_text().replace("/srv/images $and more", str(tmp_path / "images $and"))
    folder.env.write_text(env.replace("1000:1000", f"{uid}:{gid}").replace("GID=1000", f"GID={gid}"))
    folder.state.mkdir()
    folder.lock.write_text(lock_of(expected(version), version))
    edited = folder.root / "nginx/nginx.conf"
    edited.write_text(edited.read_text() + "# mine\n")
    folder.secrets.mkdir()
    hashed = bcrypt.hashpw(b"kept", bcrypt.gensalt(4)).decode()
    kept = {
        folder.http_secret: "5ec2e7" * 12 + "\n",
        folder.htpasswd: f"kept:{hashed}\n",
        folder.access: "# kept\nversion: 1\nrules: []\n",
    }
    for path, text in kept.items():
        path.write_text(text)
    stackgen("render", folder.root)
    assert edited.read_text().endswith("# mine\n")
    assert {path: path.read_text() for path in kept} == kept
    beside = [path.name for path in folder.root.rglob("*.new")]
    assert beside in ([], ["nginx.conf.new"])
    stackgen("plan", folder.root)
    assert "/srv/images" not in folder.compose.read_text()
