"""A store whose folders come from a lower layer of an overlay, as those that a container's image was made with."""

from __future__ import annotations

import os
import subprocess

import pytest

from registry_app.gc.scrub import quarantined, scrub
from registry_app.gc.undelete import restore
from registry_app.oci.digests import Digest
from registry_app.oci.names import Repository, Tag
from registry_app.storage import open_storage
from tests.registry_app.gc.collecting import is_stored, run
from tests.registry_app.storage.pushing import APP, push_blob, push_image

pytestmark = [pytest.mark.fault, pytest.mark.skipif(os.geteuid() != 0, reason="mounts an overlay")]
OTHER = Repository("other")


@pytest.fixture
def store(tmp_path):
    """Two images and an orphan in the lower layer."""
    lower, upper, work, merged = (tmp_path / name for name in ("lower", "upper", "work", "merged"))
    for folder in (upper, work, merged):
        folder.mkdir()
    below = open_storage(lower)
    push_image(below, "v1")
    push_image(below, "v1", OTHER, layers=(b"other",))
    push_blob(below, b"orphan")
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    mounted = subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, merged], check=False)
    if mounted.returncode:
        pytest.skip("no overlay can be mounted here")
    yield open_storage(merged)
    subprocess.run(["umount", merged], check=True)


def test_folders_that_cannot_be_renamed_are_thrown_away_and_put_away_all_the_same(store):
    """A collection can be undone, a deleted repository comes back, and damage is served no more."""
    collected = run(store)
    assert collected.removed_blobs == 1
    store.repositories.delete(OTHER)
    with store.layout.blob(Digest.of(b"layer")).open("r+b") as damaged:
        damaged.write(b"!")
    assert scrub(store).affected == ["team/app:v1"]
    assert quarantined(store) == [Digest.of(b"layer")]
    for name in store.trash.runs():
        assert restore(store, name).missing == []
    assert is_stored(store, b"orphan")
    assert store.manifests.get(OTHER, Tag("v1")).size
    assert store.manifests.get(APP, Tag("v1")).size
