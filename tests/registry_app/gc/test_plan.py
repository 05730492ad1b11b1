"""The decisions of a collection, without a disk."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_app.gc.plan import Policy, RepositorySnapshot, Revision, decide_manifests, heirs, needed_by, why_young
from registry_app.oci.digests import Digest
from registry_app.oci.media_types import OCI_MANIFEST
from registry_app.oci.names import Repository
from registry_app.oci.references import References

UNTAGGED = Policy(grace=60, untagged=True)


def digest(name):
    """The digest that stands for a name."""
    return Digest.of(str(name).encode())


def revision(name, *, children=(), subject=None, blobs=(), age=1000.0):
    """A manifest that refers to these."""
    references = References(
        media_type=OCI_MANIFEST,
        blobs=frozenset(map(digest, blobs)),
        children=tuple(map(digest, children)),
        subject=None if subject is None else digest(subject),
    )
    return Revision(digest=digest(name), age=age, references=references)


def unreadable(name, age=1000.0):
    """A manifest whose content can't be read."""
    return Revision(digest=digest(name), age=age, references=None)


def snapshot(*revisions, tags=None):
    """A repository with these."""
    named = {digest(name): tuple(values) for name, values in (tags or {}).items()}
    found = {one.digest: one for one in revisions}
    return RepositorySnapshot(repository=Repository("r"), revisions=found, tags=named)


def kept(view, policy=UNTAGGED):
    """What stays, with its reason."""
    return {one.digest: one.reason for one in decide_manifests(view, policy) if one.keep}


def test_a_tagged_manifest_stays():
    """The reason names its tags."""
    view = snapshot(revision("a"), revision("b"), tags={"a": ["v1", "latest"]})
    assert kept(view) == {digest("a"): "tagged latest, v1"}


def test_children_of_a_tagged_index_stay():
    """Platforms of a multi-platform image are never untagged, at any depth."""
    view = snapshot(
        revision("top", children=["inner"]), revision("inner", children=["leaf"]), revision("leaf"), tags={"top": ["x"]}
    )
    assert set(kept(view)) == {digest("top"), digest("inner"), digest("leaf")}
    assert kept(view)[digest("leaf")] == f"part of {digest('inner')}"


def test_referrers_of_a_living_subject_stay():
    """A signature, and what refers to the signature, live as long as the image."""
    view = snapshot(
        revision("image"), revision("sig", subject="image"), revision("sigsig", subject="sig"), tags={"image": ["x"]}
    )
    assert len(kept(view)) == 3
    assert kept(view)[digest("sig")] == f"refers to {digest('image')}"


def test_referrers_of_a_platform_stay_with_the_index():
    """A signature of one platform of a tagged index stays too."""
    view = snapshot(
        revision("top", children=["leaf"]), revision("leaf"), revision("sig", subject="leaf"), tags={"top": ["x"]}
    )
    assert digest("sig") in kept(view)


def test_what_refers_to_nothing_that_lives_goes():
    """A signature of an image that is gone goes with the policy for untagged manifests."""
    assert kept(snapshot(revision("sig", subject="gone"))) == {}


def test_without_the_policy_every_manifest_stays():
    """Untagged manifests are kept unless asked for."""
    assert kept(snapshot(revision("a")), Policy(untagged=False)) == {digest("a"): "untagged manifests are kept"}


def test_a_young_manifest_stays_for_now():
    """A push by digest has time to be tagged."""
    assert "in use 5 s ago" in kept(snapshot(revision("a", age=5)))[digest("a")]


def test_beside_an_unreadable_manifest_everything_stays():
    """It might refer to anything in its repository."""
    assert set(kept(snapshot(revision("a"), unreadable("b")))) == {digest("a"), digest("b")}


def test_a_manifest_needs_itself_and_what_it_refers_to():
    """Config, layers and children; not its subject."""
    needed = needed_by(revision("a", blobs=["c", "l"], children=["k"], subject="s"))
    assert needed == {digest("a"), digest("c"), digest("l"), digest("k")}
    assert needed_by(unreadable("b")) == {digest("b")}


@pytest.mark.parametrize(
    ("age", "grace", "stays"), [(0, 0, False), (-5, 0, False), (59, 60, True), (60, 60, False), (-86400, 60, True)]
)
def test_grace_counts_from_the_last_promise(age, grace, stays):
    """A clock that was set back makes ages negative, which is young; without grace nothing is."""
    assert (why_young(age, Policy(grace=grace)) is not None) == stays


def test_keepers_are_indexes_and_subjects():
    """What would bring a manifest back to life if it came to life itself."""
    view = snapshot(revision("top", children=["leaf"]), revision("leaf"), revision("sig", subject="leaf"))
    assert heirs(view) == {digest("leaf"): {digest("top")}, digest("sig"): {digest("leaf")}}


graphs = st.lists(
    st.tuples(st.lists(st.integers(0, 7), max_size=3), st.none() | st.integers(0, 7), st.booleans()), min_size=8, max_size=8
)  # fmt: skip


@given(graphs)
def test_nothing_goes_that_something_kept_needs(graph):
    """For any graph of manifests, cycles included: kept means children and referrers kept; gone means unreachable."""
    view = snapshot(
        *(revision(n, children=children, subject=subject) for n, (children, subject, _) in enumerate(graph)),
        tags={n: ["t"] for n, (_, _, tagged) in enumerate(graph) if tagged},
    )
    decisions = decide_manifests(view, UNTAGGED)
    assert sorted(one.digest for one in decisions) == sorted(view.revisions)
    alive = {one.digest for one in decisions if one.keep}
    for n, (children, subject, tagged) in enumerate(graph):
        if tagged:
            assert digest(n) in alive
        if digest(n) in alive:
            assert {digest(child) for child in children} <= alive
        if subject is not None and digest(subject) in alive:
            assert digest(n) in alive


@given(graphs)
def test_what_goes_comes_after_what_would_keep_it(graph):
    """Without cycles, an index goes before its children and a subject before its referrers."""
    view = snapshot(
        *(
            revision(
                n, children=[c for c in children if c > n], subject=None if subject is None or subject >= n else subject
            )
            for n, (children, subject, _) in enumerate(graph)
        )
    )
    order = [one.digest for one in decide_manifests(view, UNTAGGED) if not one.keep]
    for later, keepers in heirs(view).items():
        for keeper in keepers & set(order):
            assert order.index(keeper) < order.index(later)
