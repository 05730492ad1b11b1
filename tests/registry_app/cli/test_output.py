"""The registry's commands when their output can't be written: no traceback, and nobody is told that the store is at fault."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from registry_app.oci.names import Repository
from registry_app.storage import open_storage
from tests.registry_app.storage.pushing import image, push_blob, push_document, push_image

COMMANDS = {
    "check": ["check"],
    "collect": ["garbage-collect", "--dry-run"],
    "trash": ["trash", "list"],
    "switch": ["read-only", "status"],
}


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """A store about which each command has something to tell."""
    folder = tmp_path_factory.mktemp("output")
    storage = open_storage(folder / "root")
    push_image(storage, "v1")
    push_document(storage, image(layers=(b"never pushed",)), "sparse", sparse=True)
    push_blob(storage, b"orphan", Repository("other"))
    storage.repositories.delete(Repository("other"))
    path = folder / "config.yml"
    path.write_text(f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}/root}}}}\n")
    return path


def run(arguments, **how):
    """Exit code, and what stood on stderr."""
    command = [sys.executable, "-m", "registry_app", *arguments]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False, timeout=60, **how)
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    return done.returncode, done.stderr


@pytest.mark.parametrize("name", ["check", "collect", "trash", "switch"])
def test_a_full_disk_behind_the_output_is_named_as_such(config, name):
    """And the command fails."""
    with Path("/dev/full").open("wb") as full:
        code, said = run([*COMMANDS[name], str(config)], stdout=full)
    assert (code, said) == (1, "error: the output can't be written: No space left on device\n")


@pytest.mark.parametrize("name", ["check", "collect"])
def test_a_reader_that_has_left_is_no_news(config, name):
    """As in `registry check | head -1`."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        assert run([*COMMANDS[name], str(config)], stdout=writing) == (141, "")
    finally:
        os.close(writing)


@pytest.mark.parametrize(("words", "first"), [(["help"], "[OPTIONS] COMMAND"), (["help", "check"], "check [OPTIONS]")])
def test_help_is_a_command_too(words, first):
    """As on upstream's command line, and in the entry point of its image."""
    command = [sys.executable, "-m", "registry_app", *words]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    assert told.startswith(f"Usage: registry {first}")
