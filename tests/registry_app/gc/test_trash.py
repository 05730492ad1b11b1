"""What was thrown away, and what brings it back."""

from __future__ import annotations

import time

from registry_app.gc.plan import Policy
from registry_app.oci.digests import Digest
from registry_app.oci.names import Tag
from tests.registry_app.gc.collecting import is_stored, run
from tests.registry_app.storage.pushing import (
    APP,
    push_blob,
    push_image,
)


def test_trash_is_emptied_after_its_time(storage, clock):
    """Until then a restore brings everything back."""
    push_blob(storage, b"orphan")
    first = run(storage)
    assert storage.trash.extent(first.run)[0] == 2
    assert storage.trash.restore(first.run) == 2
    assert storage.blobs.stat(APP, Digest.of(b"orphan")).size == 6
    second = run(storage)
    clock.now += 3601
    assert run(storage).emptied_runs == 1
    assert second.run not in storage.trash.runs()


def test_a_deleted_repository_can_be_restored(storage):
    """Undelete brings tags and images back."""
    push_image(storage, "v1")
    storage.repositories.delete(APP)
    (deleted,) = storage.trash.runs()
    run(storage)
    for name in reversed(storage.trash.runs()):
        storage.trash.restore(name)
    assert deleted not in storage.trash.runs()
    assert storage.manifests.get(APP, Tag("v1")).size
    assert storage.blobs.stat(APP, Digest.of(b"layer")).size == 5


def test_what_was_restored_is_promised_anew(storage, clock):
    """A scheduled collection a minute later does not take it away again."""
    clock.now = time.time() + 7200
    push_blob(storage, b"orphan")
    clock.now += 7200
    hour = Policy(grace=3600, trash=86400)
    collected = run(storage, hour)
    assert collected.removed_blobs == 1
    storage.trash.restore(collected.run)
    clock.now = time.time() + 60
    assert run(storage, hour).removed_blobs == 0
    assert is_stored(storage, b"orphan")


def test_without_room_for_the_trash_room_is_made_at_once(storage):
    """What can't be moved away is removed."""
    push_blob(storage, b"orphan")
    storage.layout.trash.write_bytes(b"no folder")
    assert run(storage).removed_blobs == 1
    assert not storage.layout.blob(Digest.of(b"orphan")).parent.exists()
