"""`registry adopt` and `registry read-only`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from registry_app.cli.adopt import command as adopt
from registry_app.cli.read_only import command as read_only
from tests.serving import start_registry


@pytest.fixture
def config(tmp_path):
    """A configuration whose tree has a few files."""
    tree = tmp_path / "registry/docker/registry/v2/blobs/sha256/ab/abcd"
    tree.mkdir(parents=True)
    (tree / "data").write_bytes(b"content")
    (tree / "link").symlink_to("/etc/passwd")
    path = tmp_path / "config.yml"
    path.write_text(f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {tmp_path}/registry}}}}\n")
    return path


def owners(folder):
    """Everyone who owns something in a folder."""
    return {(path.lstat().st_uid, path.lstat().st_gid) for path in [folder, *folder.rglob("*")]}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_tree_of_root_is_given_to_the_service(config):
    """Each file, folder and link below the root directory, and nothing that a link points to."""
    dry = CliRunner().invoke(adopt, ["--dry-run", "--owner", "10001:10001", str(config)])
    assert dry.output.startswith("10 files and folders"), dry.output
    assert owners(config.parent / "registry") == {(0, 0)}
    assert CliRunner().invoke(adopt, [str(config)]).exit_code == 0
    assert owners(config.parent / "registry") == {(10001, 10001)}
    assert Path("/etc/passwd").stat().st_uid == 0
    again = CliRunner().invoke(adopt, [str(config)])
    assert again.output.startswith("0 files and folders")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_tree_on_a_larger_disk_is_given_to_the_service_too(tmp_path):
    """The root directory and the upper folders in it may be links: what lies behind them is adopted."""
    store = tmp_path / "disk/store"
    (store / "stackgen").mkdir(parents=True)
    for name, place in (("docker", "one"), ("docker/registry/v2", "two")):
        (tmp_path / place).mkdir()
        (store / name).parent.mkdir(exist_ok=True, parents=True)
        (store / name).symlink_to(tmp_path / place)
    (tmp_path / "two/blobs").mkdir()
    (tmp_path / "root").symlink_to(store)
    config = tmp_path / "config.yml"
    config.write_text(f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {tmp_path}/root}}}}\n")
    assert CliRunner().invoke(adopt, [str(config)]).exit_code == 0
    assert owners(store) == owners(tmp_path / "one") == owners(tmp_path / "two") == {(10001, 10001)}


@pytest.mark.parametrize("owner", ["root", "1", "1:", "a:b"])
def test_an_owner_is_two_numbers(config, owner):
    """Names of another system mean nothing in the image."""
    result = CliRunner().invoke(adopt, ["--owner", owner, str(config)])
    assert (result.exit_code, "two numbers" in result.output) == (1, True)


def test_writes_are_refused_and_let_in_again_while_the_service_runs(tmp_path):
    """Pulls go on; the error says what the matter is; readiness says so too, liveness does not care."""
    with start_registry(tmp_path) as registry:
        config = str(tmp_path / "config.yml")
        assert registry.request("POST", "/v2/a/blobs/uploads/").status == 202
        assert CliRunner().invoke(read_only, ["on", config]).output == "read-only mode is on\n"
        refused = registry.request("POST", "/v2/a/blobs/uploads/")
        assert refused.status == 405
        assert b"read-only" in refused.body
        assert registry.request("GET", "/v2/").status == 200
        assert b"read-only" in registry.ask_debug("/debug/ready").body
        assert registry.ask_debug("/debug/health").status == 200
        assert CliRunner().invoke(read_only, ["off", config]).output == "read-only mode is off\n"
        assert registry.request("POST", "/v2/a/blobs/uploads/").status == 202
        assert registry.ask_debug("/debug/ready").status == 200
