"""Marks of what is needed, and the walk over what lies in the store."""

from __future__ import annotations

from registry_app.gc.marks import Marks, count_marked, stored_digests, unmarked
from registry_app.oci.digests import Digest

DIGESTS = [Digest.of(b"blob %d" % number) for number in range(600)]


def put(storage, *digests):
    """Makes files where the contents of these digests lie."""
    for digest in digests:
        path = storage.layout.blob(digest)
        path.parent.mkdir(parents=True)
        path.touch()


def test_what_is_not_marked_is_found_and_nothing_else(storage):
    """With several digests behind the same two digits, and some that are marked twice."""
    put(storage, *DIGESTS)
    marks = Marks()
    for digest in (*DIGESTS[:400], *DIGESTS[200:400]):
        marks.add(digest)
    assert count_marked(storage, marks) == (400, 200)
    assert set(unmarked(storage, marks)) == set(DIGESTS[400:])


def test_both_algorithms_are_walked(storage):
    """Contents are needed or not by whatever digest they were pushed."""
    digests = {Digest.of(b"one"), Digest.of(b"one", "sha512")}
    put(storage, *digests)
    marks = Marks()
    assert set(stored_digests(storage)) == digests
    assert set(unmarked(storage, marks)) == digests
    for digest in digests:
        marks.add(digest)
    assert list(unmarked(storage, marks)) == []


def test_folders_that_are_none_of_ours_are_passed_over(storage):
    """They are neither counted nor collected: what is no digest was put there by somebody else."""
    digest = Digest.of(b"one")
    put(storage, digest)
    folder = storage.layout.blob(digest).parent.parent
    for name in ("lost+found", digest.hex[:2], digest.hex[:2] + "_" * 62, digest.hex.upper(), digest.hex + "0"):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "data").touch()
    (folder / ("f" * 64)).mkdir(exist_ok=True)  # behind other digits than its own
    assert count_marked(storage, Marks()) == (0, 1)
    assert list(unmarked(storage, Marks())) == [digest]
