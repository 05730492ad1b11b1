"""`stackgen gc` where no container runs."""

from __future__ import annotations

import json

import pytest
import yaml
from click.testing import CliRunner

from registry_app.oci.digests import Digest
from registry_app.storage import open_storage
from stackgen.cli.gc import command
from stackgen.errors import StackgenError
from stackgen.folder import StackFolder
from tests.registry_app.storage.pushing import push_blob


@pytest.fixture
def folder(tmp_path):
    """A folder that counts as a stack."""
    made = StackFolder(tmp_path)
    made.env.write_text("")
    return made


def test_a_stack_that_was_never_rendered_says_what_to_type(folder):
    """There is nothing to collect in, and the hint is the command."""
    with pytest.raises(StackgenError, match=r"no compose\.yaml") as caught:
        CliRunner().invoke(command, [str(folder.root)], catch_exceptions=False)
    assert "stackgen render" in caught.value.hint


def test_without_docker_a_stack_of_containers_cannot_be_collected(folder, monkeypatch, tmp_path):
    """Said in words, not by a traceback."""
    folder.compose.write_text("services: {}")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StackgenError, match="Docker is not installed"):
        CliRunner().invoke(command, [str(folder.root)], catch_exceptions=False)


def test_the_embedded_registry_is_collected(folder, capfd):
    """The flags reach the registry's own command, which tells what it would do; what it did has its lines."""
    storage = open_storage(folder.root / "data")
    push_blob(storage, b"orphan")
    folder.embedded_config.parent.mkdir(parents=True, exist_ok=True)
    place = {"filesystem": {"rootdirectory": str(folder.root / "data")}}
    config = {"version": 0.1, "storage": place, "http": {"addr": ":0"}, "stackgen": {"gc": {"grace": "0s"}}}
    folder.embedded_config.write_text(yaml.safe_dump(config))
    result = CliRunner().invoke(command, ["--dry-run", str(folder.root)], catch_exceptions=False)
    assert result.exit_code == 0
    assert f"blob eligible for deletion: {Digest.of(b'orphan')}" in capfd.readouterr().out
    CliRunner().invoke(command, ["--quiet", "--no-trash", str(folder.root)], catch_exceptions=False)
    assert not storage.layout.blob(Digest.of(b"orphan")).exists()
    folder.embedded_config.write_text("no: configuration")
    assert CliRunner().invoke(command, [str(folder.root)]).exit_code == 1
    told = [json.loads(line) for line in folder.audit_log.read_text().splitlines()]
    assert [(line["event"], line["subject"], line["result"]) for line in told] == [
        ("gc", "--quiet --no-trash", "begun"),
        ("gc", "--quiet --no-trash", "done"),
        ("gc", "unneeded blobs", "begun"),
        ("gc", "unneeded blobs", "failed"),
    ]
