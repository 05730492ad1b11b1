"""Collections of trees in which something is wrong."""

from __future__ import annotations

import pytest

from registry_app.errors import ErrorCode
from registry_app.gc.collection import plan_collection
from registry_app.gc.observers import Observer
from registry_app.gc.scrub import put_away, scrub
from registry_app.oci.digests import Digest
from registry_app.oci.names import Repository, Tag
from tests.registry_app.gc.collecting import UNTAGGED, is_stored, run
from tests.registry_app.storage.pushing import (
    APP,
    push_blob,
    push_image,
)
from tests.registry_app.storage.refusals import refused


@pytest.mark.parametrize(
    "moved",
    ["", "_manifests", "_manifests/revisions", "_manifests/revisions/sha256", "_manifests/tags", "_manifests/tags/v1"],
)
def test_nothing_is_removed_while_a_symbolic_link_hides_manifests(storage, tmp_path, moved):
    """Somebody moved them to another disk: they are not served, and what they need stays for when they are back."""
    push_image(storage, "v1", layers=(b"1",))
    push_image(storage, "v1", Repository("zoo"), layers=(b"2",))
    before = {path for path in storage.layout.tree.rglob("*") if path.is_file()}
    place = storage.layout.repository(APP) / moved
    place.rename(tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")
    with refused(ErrorCode.UNSUPPORTED) as caught:
        run(storage, UNTAGGED)
    assert f"{place} is a symbolic link" in caught.value.message
    place.unlink()
    (tmp_path / "elsewhere").rename(place)
    assert {path for path in storage.layout.tree.rglob("*") if path.is_file()} == before
    report = run(storage, UNTAGGED)
    assert (report.removed_blobs, report.removed_manifests) == (0, 0)


def test_tags_forget_the_manifests_that_are_gone(storage):
    """Upstream keeps what a tag ever named; a tag that moves each day would fill the disk with small folders."""
    old, new = push_image(storage, "v1", layers=(b"old",)), push_image(storage, "v1", layers=(b"new",))
    run(storage)
    assert storage.layout.tagged(APP, Tag("v1"), old).exists(), "the manifest is there, if untagged"
    plan_collection(storage, UNTAGGED, Observer())
    assert storage.layout.tagged(APP, Tag("v1"), old).exists()
    assert run(storage, UNTAGGED).removed_manifests == 1
    assert [path.name for path in storage.layout.history(APP, Tag("v1")).glob("*/*")] == [new.hex]
    assert storage.manifests.get(APP, Tag("v1")).digest == new


def test_the_quarantine_keeps_what_an_image_lacks(storage, clock):
    """What was pushed again, or belongs to no image any more, can be looked at as long as the trash."""
    push_image(storage, "v1", layers=(b"healed", b"lacking"))
    push_image(storage, "v2", layers=(b"deleted",))
    for name in (b"healed", b"lacking", b"deleted"):
        storage.layout.blob(Digest.of(name)).write_bytes(b"?")
    assert len(scrub(storage).damaged) == 3
    push_blob(storage, b"healed")
    storage.manifests.delete(APP, storage.tags.find(APP, Tag("v2")))
    run(storage)
    assert len(list(put_away(storage))) == 3
    clock.now += 3601
    run(storage)
    assert list(put_away(storage)) == [Digest.of(b"lacking")]


def test_a_damaged_manifest_lets_its_repository_alone(storage):
    """What it needs can't be told, so nothing of its repository goes; others are collected."""
    digest = push_image(storage, "a")
    push_blob(storage, b"maybe")
    push_blob(storage, b"orphan", Repository("other"))
    storage.layout.blob(digest).write_bytes(b"broken")
    run(storage, UNTAGGED)
    assert is_stored(storage, b"maybe")
    assert is_stored(storage, b"layer")
    assert not is_stored(storage, b"orphan")


@pytest.mark.parametrize("content", [b"", b"sha256:" + 64 * b"0"])
def test_a_tag_with_a_damaged_link_keeps_what_it_may_have_named(storage, content, caplog):
    """A crash of another registry, or one flipped bit, makes no image of it that nobody wants."""
    digest = push_image(storage, "v1")
    push_image(storage, "v2", layers=(b"other",))
    storage.layout.current(APP, Tag("v1")).write_bytes(content)
    assert run(storage, UNTAGGED).removed_manifests == 0
    assert "team/app keeps what is untagged: tags that name nothing: v1. Push or delete them" in caplog.text
    storage.manifests.delete(APP, Tag("v1"))
    assert run(storage, UNTAGGED).removed_manifests == 1
    assert not storage.manifests.exists(APP, digest)


def test_a_manifest_with_another_layer_in_it_is_damaged_too(storage, caplog):
    """A flipped bit may name a layer that nobody has: the one that is needed stays, and the log says why."""
    digest = push_image(storage, "a")
    path, wanted = storage.layout.blob(digest), Digest.of(b"layer").hex
    path.write_bytes(path.read_bytes().replace(wanted.encode(), (wanted[:-1] + "0f"[wanted[-1] == "0"]).encode()))
    run(storage, UNTAGGED)
    assert is_stored(storage, b"layer")
    assert f"team/app keeps everything: what it needs can't be told, as manifest {digest} is damaged" in caplog.text


def test_an_empty_folder_of_a_killed_writer_goes(storage):
    """A writer that died between making the folder of a blob and moving the blob there left no more than that."""
    empty = storage.layout.blob(Digest.of(b"never came")).parent
    empty.mkdir(parents=True)
    assert run(storage).removed_blobs == 0
    assert not empty.exists()
