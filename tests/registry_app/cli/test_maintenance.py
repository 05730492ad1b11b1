"""`registry garbage-collect`, `registry scrub`, `registry trash` and `registry reindex`."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from registry_app.cli import group
from registry_app.oci.digests import Digest
from registry_app.oci.media_types import OCI_MANIFEST
from registry_app.storage import open_storage
from tests.registry_app.storage.pushing import APP, body_of, descriptor, image, push_blob, push_image


@pytest.fixture
def storage(tmp_path):
    """A store with an image and an orphan."""
    found = open_storage(tmp_path / "data")
    push_image(found, "v1")
    push_blob(found, b"orphan")
    return found


@pytest.fixture
def config(tmp_path):
    """A configuration of that store."""
    path = tmp_path / "config.yml"
    path.write_text(f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {tmp_path / 'data'}}}}}\nhttp: {{addr: ':0'}}\nstackgen: {{reserve: 0}}\n")  # fmt: skip
    return str(path)


def registry(*args):
    """Runs a command in this process."""
    return CliRunner().invoke(group, args, catch_exceptions=False)


def test_a_dry_run_prints_what_upstream_prints_and_why_the_rest_stays(storage, config):
    """The cron line of registry:2 goes on working, and says more."""
    result = registry("garbage-collect", "--dry-run", "--grace", "0", config)
    assert result.exit_code == 0, result.output
    assert "3 blobs marked, 1 blobs and 0 manifests eligible for deletion" in result.output
    assert f"blob eligible for deletion: {Digest.of(b'orphan')}" in result.output
    assert "kept because tagged v1" in result.output
    assert storage.blobs.stat(APP, Digest.of(b"orphan")).size == 6


def test_flags_take_values_as_upstreams_do(storage, config):
    """A cron line of Go's flags means the same to ours."""
    collect = "garbage-collect"
    old = push_image(storage, "v1", layers=(b"2",))
    push_image(storage, "v1", layers=(b"3",))
    result = registry(collect, "-m=true", "--dry-run=1", "--quiet=false", "--grace", "0", config)
    assert result.exit_code == 0, result.output
    assert f"manifest eligible for deletion: {old}" in result.output
    assert "would remove" in registry(collect, "-d=T", "--delete-untagged=false", "--grace", "0", config).output
    assert registry(collect, "-d=perhaps", config).exit_code == 2
    assert "\nremoved" in registry(collect, "--dry-run", "--dry-run=false", "--grace", "0", config).output


def test_what_was_collected_can_be_restored(storage, config):
    """The last line says how."""
    result = registry("garbage-collect", "-q", "--grace", "0", config)
    assert "removed 1 blobs, 1 layer links, 0 manifests" in result.output
    (run,) = storage.trash.runs()
    assert f"registry trash restore {run}" in result.output
    assert run in registry("trash", "list", config).output
    assert registry("trash", "restore", run, config).output == "restored 2 files\n"
    assert storage.blobs.stat(APP, Digest.of(b"orphan")).size == 6
    assert registry("trash", "restore", run, config).exit_code == 1


def test_untagged_manifests_go_with_the_flag_or_by_configuration(storage, config):
    """What the configuration says holds for a command that says nothing."""
    old = push_image(storage, "v1", layers=(b"2",))
    push_image(storage, "v1", layers=(b"3",))
    assert (
        f"manifest eligible for deletion: {old}" not in registry("garbage-collect", "-d", "--grace", "0", config).output
    )
    assert f"manifest eligible for deletion: {old}" in registry("garbage-collect", "-dm", "--grace", "0", config).output
    text = Path(config).read_text().replace("stackgen: {reserve: 0}", "stackgen: {reserve: 0, gc: {untagged: true}}")
    Path(config).write_text(text)
    assert f"manifest eligible for deletion: {old}" in registry("garbage-collect", "-d", "--grace", "0", config).output


def test_without_the_trash_the_room_is_free_at_once(storage, config):
    """For those who need it now."""
    registry("garbage-collect", "-q", "--grace", "0", "--no-trash", config)
    assert storage.trash.runs() == []
    assert not storage.layout.blob(Digest.of(b"orphan")).exists()


def test_no_way_back_is_promised_on_a_full_disk(storage, config):
    """There the trash is skipped."""
    Path(config).write_text(Path(config).read_text().replace("reserve: 0", "reserve: 1000TiB"))
    result = registry("garbage-collect", "-q", "--grace", "0", config)
    assert "removed 1 blobs" in result.output
    assert "trash restore" not in result.output


def test_the_trash_can_be_emptied(storage, config):
    """One run, or all."""
    registry("garbage-collect", "-q", "--grace", "0", config)
    assert registry("trash", "empty", "--config", config).exit_code == 2
    assert registry("trash", "empty", "--all", "--config", config).exit_code == 0
    assert storage.trash.runs() == []


def test_a_scrub_names_the_damage_and_ends_with_1(storage, config):
    """Cron tells the person who has to know."""
    assert registry("scrub", "--rate", "0", config).exit_code == 0
    storage.layout.blob(Digest.of(b"layer")).write_bytes(b"LAYER")
    result = registry("scrub", "--rate", "0", config)
    assert result.exit_code == 1
    assert f"damaged: {Digest.of(b'layer')}" in result.output
    assert "affected: team/app:v1 (push it again)" in result.output
    again = registry("scrub", "--rate", "0", config)
    assert again.exit_code == 1
    assert f"damaged: {Digest.of(b'layer')} (found and put away earlier)" in again.output
    assert "affected: team/app:v1 (push it again)" in again.output


@pytest.mark.parametrize("amount", ["nan", "inf", "-1", "much"])
def test_an_amount_is_a_number_from_zero_on(storage, config, amount):
    """Told as a wrong use, before anything is looked at."""
    for words in (("garbage-collect", "--grace"), ("scrub", "--rate")):
        result = registry(*words, amount, config)
        assert result.exit_code == 2
        assert f"{amount} is no number from 0 on" in result.output


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
@pytest.mark.parametrize("words", [("garbage-collect", "--grace", "0"), ("scrub",), ("reindex",)])
def test_root_acts_as_the_user_who_serves_the_store(words):
    """What root made in it, the service could not use."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "data")
        push_blob(open_storage(root), b"orphan")
        for path in (Path(folder), root, *root.rglob("*")):
            os.chown(path, 10001, 10001)
        Path(folder, "config.yml").write_text(f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {root}}}}}\n")
        assert registry(*words, str(Path(folder, "config.yml"))).exit_code == 0
        assert {path.stat().st_uid for path in root.rglob("*")} == {10001}
        assert os.geteuid() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
@pytest.mark.parametrize("words", [("check",), ("garbage-collect",), ("scrub",), ("reindex",), ("read-only", "on")])
def test_root_acts_before_the_first_start_as_the_user_whose_folder_it_is(words):
    """Else the service would find folders of root's in a store that was made, or adopted, for it."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "data")
        root.mkdir()
        for path in (Path(folder), root):
            os.chown(path, 10001, 10001)
        more = f"stackgen: {{audit_log: {root}/audit.log}}"
        config = Path(folder, "config.yml")
        config.write_text(f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {root}}}}}\n{more}\n")
        assert registry(*words, str(config)).exit_code == 0
        assert {path.stat().st_uid for path in root.rglob("*")} == {10001}


def test_what_people_do_to_a_registry_is_in_its_audit_log(tmp_path, storage, config):
    """Before it begins, and how it ended; what only looks is not."""
    Path(config).write_text(Path(config).read_text().replace("reserve: 0", f"reserve: 0, audit_log: {tmp_path}/a.log"))
    for arguments in (
        ("garbage-collect", "-d", "--grace", "0"),
        ("garbage-collect", "-q", "--grace", "0"),
        ("scrub", "--rate", "0"),
        ("read-only", "on"),
        ("read-only", "status"),
    ):
        registry(*arguments, config)
    (run,) = storage.trash.runs()
    registry("trash", "restore", run, config)
    registry("garbage-collect", "-qm", "--grace", "0", config)
    (again,) = storage.trash.runs()
    registry("trash", "empty", again, "--config", config)
    told = [json.loads(line) for line in (tmp_path / "a.log").read_text().splitlines()]
    acts = [("gc", "unneeded blobs"), ("scrub", "all blobs"), ("read-only", "on"), ("trash-restore", run)]
    acts += [("gc", "--delete-untagged"), ("trash-empty", again)]
    assert [(line["event"], line["subject"], line["result"]) for line in told] == [
        (*act, result) for act in acts for result in ("begun", "done")
    ]


def test_a_store_that_is_not_there_is_told_plainly(tmp_path, config):
    """No traceback, and nothing is made."""
    result = registry("garbage-collect", config)
    assert result.exit_code == 1
    assert "there is no storage folder" in result.output
    assert not (tmp_path / "data").exists()


def test_the_index_is_made_anew_and_the_command_says_what_it_found(storage, config):
    """At rest, and after somebody deleted it."""
    push_image(storage, "signature", subject=descriptor(body_of(image()), OCI_MANIFEST))
    for _ in range(2):
        result = registry("reindex", config)
        assert result.exit_code == 0, result.output
        assert result.output.startswith("reindexed 1 repositories, 2 tags, 2 manifests and 1 referrers in ")
        assert not storage.index.state().dirty
        storage.layout.index.unlink()


def test_an_index_that_cannot_be_kept_is_told(storage, config):
    """With the reason, and exit code 1."""
    storage.layout.index.mkdir()
    result = registry("reindex", config)
    assert result.exit_code == 1
    assert "error: nothing of it was kept: the index file can't be used: Is a directory" in result.output


def test_a_reindex_waits_for_a_comparison_that_runs(storage, config, monkeypatch):
    """But not for ever."""
    monkeypatch.setattr("registry_app.cli.reindex.PATIENCE", 0.1)
    with storage.locks.reconciling():
        result = registry("reindex", config)
    assert result.exit_code == 1
    assert "the index has been busy" in result.output
