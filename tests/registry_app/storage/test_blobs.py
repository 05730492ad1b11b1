"""Blobs, their links and leases."""

from __future__ import annotations

import pytest

from registry_app.errors import ErrorCode
from registry_app.oci.digests import Digest
from registry_app.oci.names import Repository, Tag
from registry_app.storage import open_storage
from tests.registry_app.storage.pushing import APP, push_blob, push_image
from tests.registry_app.storage.refusals import refused

OTHER = Repository("other")


def test_a_blob_lies_where_distribution_looks_for_it(storage):
    """Paths and link contents are upstream's, to the byte."""
    digest = push_blob(storage, b"hello").digest
    tree = storage.layout.root / "docker/registry/v2"
    assert (tree / f"blobs/sha256/{digest.hex[:2]}/{digest.hex}/data").read_bytes() == b"hello"
    assert (tree / f"repositories/team/app/_layers/sha256/{digest.hex}/link").read_text() == str(digest)
    assert not list((tree / "repositories/team/app/_uploads").iterdir())


def test_a_blob_of_one_repository_is_unknown_to_another(storage):
    """A blob exists only where it was pushed or mounted."""
    digest = push_blob(storage, b"secret").digest
    with refused(ErrorCode.BLOB_UNKNOWN):
        storage.blobs.stat(OTHER, digest)
    with refused(ErrorCode.BLOB_UNKNOWN):
        storage.blobs.mount(OTHER, digest, [])
    with refused(ErrorCode.BLOB_UNKNOWN):
        storage.blobs.mount(OTHER, digest, [OTHER, Repository("none")])


def test_a_mounted_blob_is_there_without_its_bytes_again(storage):
    """A mount links, from whichever of the sources has it."""
    digest = push_blob(storage, b"shared").digest
    assert storage.blobs.mount(OTHER, digest, [Repository("none"), APP]).size == 6
    assert storage.blobs.stat(OTHER, digest).size == 6


def test_a_deleted_blob_is_gone_here_and_stays_elsewhere(storage):
    """Delete in one repository, read in it: 404; the other repository keeps it."""
    digest = push_blob(storage, b"x").digest
    storage.blobs.mount(OTHER, digest, [APP])
    storage.blobs.delete(APP, digest)
    for act in (storage.blobs.stat, storage.blobs.open, storage.blobs.delete):
        with refused(ErrorCode.BLOB_UNKNOWN):
            act(APP, digest)
    assert storage.blobs.stat(OTHER, digest).size == 1


def test_a_promise_renews_the_lease(storage, clock):
    """HEAD, mount and a finished upload make blob and link young again."""
    blob = push_blob(storage, b"x")
    for act in (
        lambda: storage.blobs.stat(APP, blob.digest),
        lambda: storage.blobs.mount(OTHER, blob.digest, [APP]),
        lambda: push_blob(storage, b"x"),
    ):
        clock.now += 1000
        act()
        assert blob.path.stat().st_mtime == clock.now
    clock.now += 1000
    storage.blobs.stat(APP, blob.digest)
    assert storage.layout.layer(APP, blob.digest).stat().st_mtime == clock.now


def test_pushing_again_heals_a_damaged_blob(storage):
    """A zero-length file, as crashes of other registries leave it, is replaced."""
    blob = push_blob(storage, b"content")
    blob.path.write_bytes(b"")
    assert push_blob(storage, b"content").size == 7
    assert blob.path.read_bytes() == b"content"


@pytest.mark.parametrize("content", [b"", b"nonsense", b"sha256:00", b"\xff", b"x" * 5000])
def test_a_bad_link_is_no_link(storage, content):
    """An empty or damaged link means unknown, never an error of the server."""
    blob = push_blob(storage, b"x")
    storage.layout.layer(APP, blob.digest).write_bytes(content)
    with refused(ErrorCode.BLOB_UNKNOWN):
        storage.blobs.stat(APP, blob.digest)


def test_planted_symbolic_links_are_not_followed(storage, tmp_path):
    """Neither a file nor a folder outside the root is read through a link in the tree."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "data").write_bytes(b"secret")
    first, second = push_blob(storage, b"1"), push_blob(storage, b"2")
    first.path.unlink()
    first.path.symlink_to(outside / "data")
    second.path.unlink()
    second.path.parent.rmdir()
    second.path.parent.symlink_to(outside)
    for blob in (first, second):
        with refused(ErrorCode.BLOB_UNKNOWN):
            storage.blobs.open(APP, blob.digest)
    (storage.layout.repositories / "stolen").symlink_to(outside)
    (outside / "_layers").mkdir()
    assert storage.repositories.list() == ["team/app"]


def test_a_write_never_goes_through_a_planted_link(storage, tmp_path):
    """A folder that leads out of the root takes nothing."""
    outside = tmp_path / "outside"
    outside.mkdir()
    storage.layout.repositories.joinpath("evil").symlink_to(outside)
    with refused(ErrorCode.UNAVAILABLE):
        push_blob(storage, b"x", Repository("evil/app"))


def test_a_full_hash_name_is_not_enough(storage):
    """A digest of the other algorithm is another blob."""
    push_blob(storage, b"x", algorithm="sha512")
    assert storage.blobs.stat(APP, Digest.of(b"x", "sha512")).size == 1
    with refused(ErrorCode.BLOB_UNKNOWN):
        storage.blobs.stat(APP, Digest.of(b"x"))


@pytest.mark.parametrize("linked", ["docker", "docker/registry", "docker/registry/v2", "."])
def test_the_way_to_the_tree_may_be_a_symbolic_link(tmp_path, linked):
    """Somebody put all of it on a larger place; the root directory itself may be one, too."""
    root = tmp_path / "root"
    push_image(open_storage(root), "v1")
    (root / linked).rename(tmp_path / "larger")
    (root / linked).symlink_to(tmp_path / "larger")
    storage = open_storage(root)
    assert storage.repositories.list() == ["team/app"]
    assert storage.manifests.get(APP, Tag("v1")).size
    push_image(storage, "v2", layers=(b"more",))
    assert storage.tags.list(APP) == ["v1", "v2"]


@pytest.mark.parametrize("linked", ["blobs", "repositories"])
def test_half_a_tree_behind_a_symbolic_link_is_refused(tmp_path, linked):
    """A rename from one half to the other does not cross file systems: the reason and the way out are told."""
    place = open_storage(tmp_path / "root").layout.tree / linked
    place.rename(tmp_path / "larger")
    place.symlink_to(tmp_path / "larger")
    with pytest.raises(OSError, match="a symbolic link, which is not followed: move what it leads to back") as caught:
        open_storage(tmp_path / "root")
    assert caught.value.filename == str(place)
