"""What was thrown away, and what brings it back."""

from __future__ import annotations

import os
import threading
import time

from registry_app.gc.plan import Policy
from registry_app.gc.undelete import restore
from registry_app.oci.digests import Digest
from registry_app.oci.names import Tag
from tests.registry_app.gc.collecting import UNTAGGED, is_stored, run
from tests.registry_app.storage.pushing import (
    APP,
    body_of,
    image,
    index,
    push_blob,
    push_document,
    push_image,
)


def test_trash_is_emptied_after_its_time(storage, clock):
    """Until then a restore brings everything back."""
    push_blob(storage, b"orphan")
    first = run(storage)
    assert storage.trash.extent(first.run)[0] == 2
    assert restore(storage, first.run).files == 2
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
        restore(storage, name)
    assert deleted not in storage.trash.runs()
    assert storage.manifests.get(APP, Tag("v1")).size
    assert storage.blobs.stat(APP, Digest.of(b"layer")).size == 5


def test_a_repository_comes_back_with_the_blobs_that_a_collection_took_since(storage, clock):
    """They would be gone with that collection's trash, a day later, and the images broken."""
    child = image(layers=[b"deep"])
    push_image(storage, layers=(b"deep",))
    push_document(storage, index(child), "multi")
    storage.repositories.delete(APP)
    (deleted,) = storage.trash.runs()
    assert run(storage, UNTAGGED).removed_blobs == 4
    assert restore(storage, deleted).missing == []
    clock.now += 2 * 3600
    assert run(storage, UNTAGGED).emptied_runs == 1
    assert storage.manifests.get(APP, Tag("multi")).size
    assert storage.manifests.get(APP, Digest.of(body_of(child))).size
    assert storage.blobs.stat(APP, Digest.of(b"deep")).size == 4


def test_a_manifest_comes_back_with_the_layers_that_a_later_collection_took(storage, clock):
    """Its layers were promised to another push when it went, and stayed an hour longer."""
    digest = push_image(storage)
    os.utime(storage.layout.revision(APP, digest), (clock.now - 9000, clock.now - 9000))
    hour = Policy(grace=3600, trash=86400, untagged=True)
    first = run(storage, hour)
    assert (first.removed_manifests, first.removed_links) == (1, 0)
    clock.now += 7200
    assert run(storage, hour).removed_links == 2
    assert restore(storage, first.run).files == 6
    assert storage.manifests.get(APP, digest).size
    assert storage.blobs.stat(APP, Digest.of(b"layer")).size == 5


def test_what_an_image_lacks_that_came_back_is_named(storage):
    """Nobody takes it for whole."""
    digest = push_image(storage, "v1")
    storage.repositories.delete(APP)
    (deleted,) = storage.trash.runs()
    storage.trash.empty(run(storage).run)
    (missing,) = map(str, restore(storage, deleted).missing)
    assert missing == f"team/app: {digest}: its content is missing or damaged: push it again, or delete it"


def test_a_restore_never_turns_a_tag_back(storage):
    """Whoever pushed it since, at this very moment too."""
    push_image(storage, "v1")
    storage.repositories.delete(APP)
    (deleted,) = storage.trash.runs()
    with storage.locks.changing_tag(APP, Tag("v1")):
        restoring = threading.Thread(target=restore, args=(storage, deleted))
        restoring.start()
        link, revisions = storage.layout.current(APP, Tag("v1")), storage.layout.revisions(APP)
        while not list(revisions.rglob("link")):
            assert restoring.is_alive()
            time.sleep(0.01)
        time.sleep(0.05)
        assert not link.exists()
        newer = push_image(storage, layers=(b"newer",))
        link.parent.mkdir(parents=True, exist_ok=True)
        link.write_text(str(newer))
    restoring.join()
    assert storage.manifests.get(APP, Tag("v1")).digest == newer


def test_what_was_restored_is_promised_anew(storage, clock):
    """A scheduled collection a minute later does not take it away again."""
    clock.now = time.time() + 7200
    push_blob(storage, b"orphan")
    clock.now += 7200
    hour = Policy(grace=3600, trash=86400)
    collected = run(storage, hour)
    assert collected.removed_blobs == 1
    restore(storage, collected.run)
    clock.now = time.time() + 60
    assert run(storage, hour).removed_blobs == 0
    assert is_stored(storage, b"orphan")


def test_without_room_for_the_trash_room_is_made_at_once(storage):
    """What can't be moved away is removed."""
    push_blob(storage, b"orphan")
    storage.layout.trash.write_bytes(b"no folder")
    assert run(storage).removed_blobs == 1
    assert not storage.layout.blob(Digest.of(b"orphan")).parent.exists()
