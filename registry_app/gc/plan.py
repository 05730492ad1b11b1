"""Decides what of a store is still needed: pure, and with the reason for each decision.

Reachability comes from manifests alone: a manifest keeps its config, layers and children; a subject keeps its
referrers; a tag keeps a manifest. Signatures and platforms of a living image are never "untagged".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from registry_app.oci.digests import Digest
    from registry_app.oci.names import Repository
    from registry_app.oci.references import References


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What may go. Times in seconds.

    `grace`: how long something is kept after it was last promised to a client. `trash`: how long what was collected
    can be had back. `untagged`: whether manifests go that no tag, index or subject keeps. `stale_upload`: how long an
    upload is kept after its last byte, None for ever.
    """

    grace: float = 3600
    trash: float = 86400
    untagged: bool = False
    stale_upload: float | None = 7 * 86400


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A manifest of a repository; `references` is None if it can't be read; `age` in seconds since its last lease."""

    digest: Digest
    age: float
    references: References | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositorySnapshot:
    """The manifests and tags of a repository when it was looked at; `lost_tags` name nothing that it holds."""

    repository: Repository
    revisions: Mapping[Digest, Revision]
    tags: Mapping[Digest, tuple[str, ...]] = field(default_factory=dict)
    lost_tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a manifest, and why."""

    digest: Digest
    keep: bool
    reason: str


def decide_manifests(snapshot: RepositorySnapshot, policy: Policy) -> tuple[Decision, ...]:
    """What becomes of each manifest; those that go come after every manifest that refers to them."""
    kept = dict(_roots(snapshot, policy))
    waiting = list(kept)
    referrers = _referrers(snapshot)
    while waiting:
        digest = waiting.pop()
        for found, reason in _kept_by(snapshot, digest, referrers):
            if found in snapshot.revisions and found not in kept:
                kept[found] = reason
                waiting.append(found)
    gone = "untagged, and nothing that is kept refers to it"
    removed = [Decision(digest, keep=False, reason=gone) for digest in _parents_first(snapshot, kept, referrers)]
    return (*(Decision(digest, keep=True, reason=reason) for digest, reason in kept.items()), *removed)


def needed_by(revision: Revision) -> frozenset[Digest]:
    """Contents that a manifest needs, itself among them. One that can't be read may need more, nobody knows what."""
    if revision.references is None:
        return frozenset((revision.digest,))
    return revision.references.blobs.union(revision.references.children, (revision.digest,))


def why_kept(tags: Iterable[str]) -> str:
    """Why a manifest with these tags stays where untagged ones do."""
    return f"tagged {', '.join(sorted(tags)[:5])}" if tags else "untagged manifests are kept"


def why_young(age: float, policy: Policy) -> str | None:
    """Why something unneeded stays for now; None if it may go. An age below zero comes from a clock set back."""
    if policy.grace > 0 and age < policy.grace:
        return f"in use {max(age, 0):.0f} s ago, less than the grace of {policy.grace:.0f} s"
    return None


def heirs(snapshot: RepositorySnapshot) -> Mapping[Digest, frozenset[Digest]]:
    """For each manifest those that would keep it if they were kept: the indexes that hold it, and its subject."""
    keepers: dict[Digest, set[Digest]] = {}
    for digest, revision in snapshot.revisions.items():
        if revision.references:
            for child in revision.references.children:
                keepers.setdefault(child, set()).add(digest)
            if revision.references.subject:
                keepers.setdefault(digest, set()).add(revision.references.subject)
    return {digest: frozenset(found) for digest, found in keepers.items()}


def _roots(snapshot: RepositorySnapshot, policy: Policy) -> Iterator[tuple[Digest, str]]:
    unreadable = next((r.digest for r in snapshot.revisions.values() if r.references is None), None)
    for digest, revision in snapshot.revisions.items():
        if digest in snapshot.tags or not policy.untagged:
            yield digest, why_kept(snapshot.tags.get(digest, ()))
        elif unreadable:
            yield digest, f"{unreadable} in the same repository can't be read, and might refer to it"
        elif snapshot.lost_tags:
            yield digest, f"the tag {snapshot.lost_tags[0]} names nothing that is there, and might have named it"
        elif reason := why_young(revision.age, policy):
            yield digest, reason


def _referrers(snapshot: RepositorySnapshot) -> Mapping[Digest, list[Digest]]:
    found: dict[Digest, list[Digest]] = {}
    for digest, revision in snapshot.revisions.items():
        if revision.references and revision.references.subject:
            found.setdefault(revision.references.subject, []).append(digest)
    return found


def _kept_by(
    snapshot: RepositorySnapshot, digest: Digest, referrers: Mapping[Digest, list[Digest]]
) -> Iterator[tuple[Digest, str]]:
    references = snapshot.revisions[digest].references
    for child in references.children if references else ():
        yield child, f"part of {digest}"
    for referrer in referrers.get(digest, ()):
        yield referrer, f"refers to {digest}"


def _parents_first(
    snapshot: RepositorySnapshot, kept: Mapping[Digest, str], referrers: Mapping[Digest, list[Digest]]
) -> Iterable[Digest]:
    """What is not kept, so that nothing comes before what refers to it or what it refers to as its subject."""
    order: dict[Digest, None] = {}
    for start in snapshot.revisions:
        stack = [(start, False)]
        while stack:
            digest, done = stack.pop()
            if done:
                order[digest] = None
            elif digest not in order and digest not in kept and digest in snapshot.revisions:
                stack.append((digest, True))
                below = (found for found, _ in _kept_by(snapshot, digest, referrers))
                stack.extend((found, False) for found in below if (found, True) not in stack)
    return reversed(order)
