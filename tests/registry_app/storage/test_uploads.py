"""Blob uploads."""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import random
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_app.errors import ErrorCode
from registry_app.gc.collection import collect
from registry_app.gc.observers import Observer
from registry_app.gc.plan import Policy
from registry_app.oci.digests import Digest
from registry_app.oci.names import Repository, Tag
from registry_app.storage import open_storage
from registry_app.storage.receiving import CHUNK
from tests.faults.disks import disk
from tests.registry_app.storage.pushing import APP, push_image
from tests.registry_app.storage.refusals import refused


def content_of(storage, digest, repository=APP):
    """The bytes of a blob as a pull reads them."""
    _, file = storage.blobs.open(repository, digest)
    with file:
        return file.read()


@given(cuts=st.lists(st.integers(0, 5000), max_size=6), seed=st.integers(0, 2**32), algorithm=st.sampled_from(["sha256", "sha512"]), workers=st.integers(1, 3))  # fmt: skip
def test_any_chunking_by_any_workers_gives_the_same_blob(tmp_path_factory, cuts, seed, algorithm, workers):
    """However a body is cut, and whichever worker takes each piece, its digest and bytes are right."""
    root = tmp_path_factory.mktemp("data")
    stores = [open_storage(root) for _ in range(workers)]
    pick = random.Random(seed)
    content = pick.randbytes(5000)
    upload = pick.choice(stores).uploads.start(APP)
    edges = sorted({0, 5000, *cuts})
    for start, end in itertools.pairwise(edges):
        assert (
            pick.choice(stores).uploads.append(APP, upload.id, io.BytesIO(content[start:end]), offset=start).offset
            == end
        )
    digest = Digest.of(content, algorithm)
    assert pick.choice(stores).uploads.finish(APP, upload.id, digest).size == 5000
    assert content_of(stores[0], digest) == content


def test_a_large_body_is_hashed_as_it_is_written(storage):
    """Bodies of many chunks come out whole."""
    content = random.Random(1).randbytes(5 * CHUNK + 17)
    upload = storage.uploads.start(APP)
    storage.uploads.append(APP, upload.id, io.BytesIO(content))
    storage.uploads.finish(APP, upload.id, Digest.of(content))
    assert hashlib.sha256(content_of(storage, Digest.of(content))).hexdigest() == Digest.of(content).hex


def test_another_worker_finishes_without_reading_the_upload_again(storage, monkeypatch):
    """The final request of a large layer answers at once in whichever worker it lands."""
    content = b"x" * 100_000
    upload = storage.uploads.start(APP)
    storage.uploads.append(APP, upload.id, io.BytesIO(content))
    other = open_storage(storage.layout.root)

    def no_reading(*_):
        pytest.fail("the upload was read again")

    monkeypatch.setattr(os, "pread", no_reading)
    assert other.uploads.finish(APP, upload.id, Digest.of(content), io.BytesIO(b"")).size == 100_000


def test_a_note_that_is_older_than_the_data_is_not_believed(storage):
    """What a killed worker wrote after its last note is read, not assumed."""
    upload = storage.uploads.start(APP)
    storage.uploads.append(APP, upload.id, io.BytesIO(b"abc"))
    with (storage.layout.upload(APP, upload.id) / "data").open("ab") as data:
        data.write(b"def")
    other = open_storage(storage.layout.root)
    assert other.uploads.stat(APP, upload.id).offset == 6
    assert other.uploads.finish(APP, upload.id, Digest.of(b"abcdef")).size == 6


def test_a_wrong_digest_ends_the_upload_and_leaves_nothing(storage):
    """DIGEST_INVALID: no blob, no file."""
    upload = storage.uploads.start(APP)
    with refused(ErrorCode.DIGEST_INVALID):
        storage.uploads.finish(APP, upload.id, Digest.of(b"other"), io.BytesIO(b"content"))
    with refused(ErrorCode.BLOB_UPLOAD_UNKNOWN):
        storage.uploads.stat(APP, upload.id)
    assert not [path for path in storage.layout.root.rglob("*") if path.name == "data"]


def test_a_chunk_at_the_wrong_place_is_refused_and_changes_nothing(storage):
    """RANGE_INVALID tells where the upload ends."""
    upload = storage.uploads.start(APP)
    storage.uploads.append(APP, upload.id, io.BytesIO(b"0123"), offset=0)
    for wrong in (0, 3, 5):
        with refused(ErrorCode.RANGE_INVALID) as caught:
            storage.uploads.append(APP, upload.id, io.BytesIO(b"xx"), offset=wrong)
        assert caught.value.headers["Range"] == "0-3"
    assert storage.uploads.stat(APP, upload.id).offset == 4


@pytest.mark.parametrize("length", [2, 4])
def test_a_body_of_another_length_than_announced_is_taken_back(storage, length):
    """SIZE_INVALID leaves the upload as it was, and it can go on."""
    upload = storage.uploads.start(APP)
    storage.uploads.append(APP, upload.id, io.BytesIO(b"ab"))
    with refused(ErrorCode.SIZE_INVALID):
        storage.uploads.append(APP, upload.id, io.BytesIO(b"cde"), length=length)
    assert storage.uploads.append(APP, upload.id, io.BytesIO(b"c"), offset=2, length=1).offset == 3
    assert storage.uploads.finish(APP, upload.id, Digest.of(b"abc")).size == 3


class BrokenBody(io.BytesIO):
    """A body whose client goes away before its end."""

    def read(self, size=-1):
        piece = super().read(size)
        if not piece:
            raise ConnectionResetError
        return piece


@pytest.mark.parametrize("size", [10, CHUNK + 5])
def test_a_body_that_breaks_off_can_be_resumed_where_it_ended(storage, size):
    """What arrived stays, its length is told, and the rest makes the whole."""
    content = random.Random(2).randbytes(size + 10)
    upload = storage.uploads.start(APP)
    with pytest.raises(ConnectionResetError):
        storage.uploads.append(APP, upload.id, BrokenBody(content[:size]))
    offset = storage.uploads.stat(APP, upload.id).offset
    assert offset == size
    storage.uploads.append(APP, upload.id, io.BytesIO(content[offset:]), offset=offset)
    assert storage.uploads.finish(APP, upload.id, Digest.of(content)).size == size + 10


def test_a_body_cut_in_the_last_request_is_no_blob(storage):
    """A cut body never makes a blob, even if its digest is asked for."""
    upload = storage.uploads.start(APP)
    with pytest.raises(ConnectionResetError):
        storage.uploads.finish(APP, upload.id, Digest.of(b"cut"), BrokenBody(b"cut"))
    with refused(ErrorCode.BLOB_UNKNOWN):
        storage.blobs.stat(APP, Digest.of(b"cut"))


def test_an_upload_is_unknown_to_other_repositories_and_users(storage):
    """Neither another repository nor another user reaches it, and it stays as it is."""
    upload = storage.uploads.start(APP, "alice")
    attempts = [(Repository("team/other"), "alice"), (APP, "bob"), (APP, None), (Repository("team"), "alice")]
    for repository, owner in attempts:
        for act in (
            lambda r=repository, o=owner: storage.uploads.stat(r, upload.id, o),
            lambda r=repository, o=owner: storage.uploads.append(r, upload.id, io.BytesIO(b"x"), owner=o),
            lambda r=repository, o=owner: storage.uploads.finish(r, upload.id, Digest.of(b""), owner=o),
            lambda r=repository, o=owner: storage.uploads.cancel(r, upload.id, o),
        ):
            with refused(ErrorCode.BLOB_UPLOAD_UNKNOWN):
                act()
    assert storage.uploads.stat(APP, upload.id, "alice").offset == 0


@pytest.mark.parametrize("upload_id", ["", ".", "..", "../..", "x", str(uuid.uuid4()) + "/..", "A" * 36, "%2e%2e"])
def test_an_id_that_we_never_gave_is_unknown(storage, upload_id):
    """Nothing but an id of ours reaches the disk."""
    with refused(ErrorCode.BLOB_UPLOAD_UNKNOWN):
        storage.uploads.append(APP, upload_id, io.BytesIO(b"x"))


def test_a_cancelled_upload_is_gone(storage):
    """Its room is free at once."""
    upload = storage.uploads.start(APP)
    storage.uploads.cancel(APP, upload.id)
    with refused(ErrorCode.BLOB_UPLOAD_UNKNOWN):
        storage.uploads.cancel(APP, upload.id)
    assert not storage.layout.upload(APP, upload.id).exists()


def test_an_upload_started_elsewhere_can_go_on(storage):
    """What docker-registry left in the tree after a change of image is finished here."""
    folder = storage.layout.upload(APP, str(uuid.uuid4()))
    folder.mkdir(parents=True)
    (folder / "data").write_bytes(b"half ")
    (folder / "startedat").write_text("2026-01-01T00:00:00Z")
    assert storage.uploads.finish(APP, folder.name, Digest.of(b"half whole"), io.BytesIO(b"whole")).size == 10


def test_no_upload_starts_when_the_reserve_is_touched(tmp_path):
    """507 before the disk is full."""
    storage = open_storage(tmp_path, reserve_bytes=2**60)
    with refused(ErrorCode.STORAGE_FULL):
        storage.uploads.start(APP)
    assert "full" in storage.why_unwritable()


def test_a_body_that_finds_no_room_leaves_nothing(storage):
    """What came before it stays; half a layer would keep the disk full for everybody."""

    class Filling(io.BytesIO):
        def read(self, size=-1):
            storage.space.reserve_bytes = 2**60 if self.tell() else 0
            return super().read(size)

    upload = storage.uploads.start(APP)
    storage.uploads.append(APP, upload.id, io.BytesIO(b"before"))
    with refused(ErrorCode.STORAGE_FULL):
        storage.uploads.append(APP, upload.id, Filling(bytes(33 * CHUNK)))
    storage.space.reserve_bytes = 0
    assert storage.uploads.stat(APP, upload.id).offset == 6
    assert storage.uploads.finish(APP, upload.id, Digest.of(b"before and after"), io.BytesIO(b" and after")).size == 16


@pytest.mark.fault
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts a small disk")
def test_a_disk_with_no_room_for_more_files_is_full(tmp_path):
    """Pushes are refused before it is; deletes and a collection make room, though nothing can be made."""
    with disk(tmp_path, "ext4", 8) as made:
        storage = open_storage(made.mount, reserve_bytes=1)
        push_image(storage, "v1")
        collect(storage, Policy(), Observer())
        total = os.statvfs(made.mount).f_files
        for number in itertools.count():
            if storage.space.is_short:
                break
            (made.mount / str(number)).touch()
        assert f"of {total} inodes free" in storage.why_unwritable()
        with refused(ErrorCode.STORAGE_FULL):
            storage.uploads.start(APP)
        for more in range(os.statvfs(made.mount).f_favail):
            (made.mount / f"more{more}").touch()
        storage.manifests.delete(APP, storage.manifests.get(APP, Tag("v1")).digest)
        assert collect(storage, Policy(grace=0), Observer()).removed_blobs == 3
        assert os.statvfs(made.mount).f_favail >= 6
