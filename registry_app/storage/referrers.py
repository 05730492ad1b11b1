"""Referrers: the manifests of a repository whose subject is a given one."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from registry_app.errors import ErrorCode, RegistryError
from registry_app.oci.digests import ALGORITHMS, Digest
from registry_app.oci.names import Tag
from registry_app.oci.references import References, parse_references
from registry_app.storage.failures import failures_told
from registry_app.storage.index import Fact
from registry_app.storage.listings import version_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from registry_app.oci.names import Repository
    from registry_app.storage.index import Index, Stand
    from registry_app.storage.layout import Layout
    from registry_app.storage.listings import Listings, Version
    from registry_app.storage.manifests import Manifests

_MOST_FOLDERS = 50_000
_MOST_CHANGING = 100
_TRIES = 20
_NOTHING = (None, frozenset[str](), frozenset[str]())

Facts = Sequence[Fact]
Descriptors = list[dict[str, Any]]


class Referrers:
    """Finds referrers. What a manifest says never changes, so each is read once; that it is there is looked up anew.

    A repository's folder of revisions tells by its time whether there are manifests that nobody has read yet.
    """

    def __init__(self, layout: Layout, manifests: Manifests, index: Index, *, listings: Listings) -> None:
        self._layout = layout
        self._manifests = manifests
        self._index = index
        self._listings = listings
        self._changing = threading.Lock()
        # By folder of revisions, true while the index stands so: the version in which all manifests were known; and
        # of those that change all the time, the names that were known, but for some.
        self._known: dict[str, tuple[Stand, Version]] = {}
        self._learnt: dict[str, tuple[Stand, frozenset[str], frozenset[str]]] = {}

    def list(self, repository: Repository, subject: Digest, *, artifact_type: str | None = None) -> Descriptors:
        """Descriptors of a manifest's referrers, sorted by digest; of one artifact type if that is given.

        The manifest need not exist. In JSON's terms, as "Listing Referrers" of the specification wants them.
        """
        with failures_told():
            found = {one["digest"]: one for one in self._of_fallback_tag(repository, subject)}
            found |= {one["digest"]: one for one in self._of_revisions(repository, subject)}
            wanted = (one for one in found.values() if artifact_type in (None, one.get("artifactType")))
            return sorted(wanted, key=lambda one: str(one["digest"]))

    def learn(self, repository: Repository) -> Facts:
        """Reads the manifests of a repository that the index does not know, and tells it about them."""
        return self._learn(repository, self._index.stand())

    def _learn(self, repository: Repository, stand: Stand) -> Facts:
        folders = ((f"{repository}/_manifests/revisions/{algorithm}", algorithm) for algorithm in ALGORITHMS)
        return tuple(fact for path, algorithm in folders for fact in self._learn_folder(path, algorithm, stand))

    def _facts(self, repository: Repository, subject: Digest) -> Iterator[Fact]:
        """What refers to a manifest in any repository, all of this one included; raises UNAVAILABLE."""
        for _ in range(_TRIES):
            stand = self._index.stand()
            learnt = self._learn(repository, stand)
            found = self._index.referrers(str(subject))
            if found is not None and stand == self._index.stand():
                # What the index could not keep is told all the same.
                yield from (fact for fact in learnt if fact.subject == str(subject))
                yield from found
                return
        raise RegistryError(ErrorCode.UNAVAILABLE, message="the index is busy", headers={"Retry-After": "1"})

    def _of_revisions(self, repository: Repository, subject: Digest) -> Iterator[dict[str, Any]]:
        for fact in self._facts(repository, subject):
            if fact.descriptor is not None and self._manifests.exists(repository, Digest.parse(fact.digest)):
                yield json.loads(fact.descriptor)

    def _of_fallback_tag(self, repository: Repository, subject: Digest) -> Iterator[dict[str, Any]]:
        """What clients kept in an index tagged `<algorithm>-<hex>` while a registry had no list of referrers."""
        try:
            tag = Tag.parse(f"{subject.algorithm}-{subject.hex}"[:128])
            children = parse_references(self._manifests.get(repository, tag).body).children
        except (RegistryError, ValueError):
            return
        for digest in children:
            try:
                body = self._manifests.get(repository, digest).body
                yield _descriptor(digest, body, parse_references(body))
            except (RegistryError, ValueError):
                continue

    def _learn_folder(self, path: str, algorithm: str, stand: Stand) -> Facts:
        """The facts about those manifests in a folder that were not known."""
        folder = f"{self._layout.repositories}/{path}"
        version = version_of(folder)
        if version is None or self._known.get(path) == (stand, version):
            return ()
        before = self._learnt.get(path, _NOTHING)
        if before[0] != stand:
            before = _NOTHING
            if self._index.is_known(path, version):
                self._done(path, stand, version)
                return ()
        listing = self._listings.look(folder)
        if listing is None:
            return ()
        names = frozenset(listing.names)
        facts, missing = self._read(algorithm, (names - before[1]) | (names & before[2]))
        # What can't be read now, a folder without content for example, may be pushed again without a trace in the
        # folder's time: it is tried each time, and only a folder of which all was read is done with.
        if listing.settled and not missing:
            self._index.set_known(path, listing.version)
            self._done(path, stand, listing.version)
        else:
            self._not_done(path, stand, names, missing)
        return facts

    def _read(self, algorithm: str, names: frozenset[str]) -> tuple[Facts, frozenset[str]]:
        """The facts that were not known of manifests, and the names of those whose facts the index does not have."""
        wanted = self._index.unknown([f"{algorithm}:{name}" for name in names]) if names else []
        facts = [fact for fact in map(self._fact, wanted) if fact is not None]
        kept = {fact.digest for fact in facts} if facts and self._index.add(facts) else set[str]()
        return facts, frozenset(digest.partition(":")[2] for digest in wanted if digest not in kept)

    def _done(self, path: str, stand: Stand, version: Version) -> None:
        with self._changing:
            self._learnt.pop(path, None)
            self._known[path] = stand, version
            while len(self._known) > _MOST_FOLDERS:
                self._known.pop(next(iter(self._known)))

    def _not_done(self, path: str, stand: Stand, names: frozenset[str], missing: frozenset[str]) -> None:
        with self._changing:
            self._learnt.pop(path, None)
            self._learnt[path] = stand, names, missing
            while len(self._learnt) > _MOST_CHANGING:
                self._learnt.pop(next(iter(self._learnt)))

    def _fact(self, text: str) -> Fact | None:
        """What a manifest says, wherever it is linked; None if it can't be told."""
        try:
            digest = Digest.parse(text)
            body = self._manifests.content(digest)
            references = parse_references(body)
        except (RegistryError, FileNotFoundError, ValueError):
            return None
        if references.subject is None:
            return Fact(text)
        return Fact(text, str(references.subject), json.dumps(_descriptor(digest, body, references)))


def _descriptor(digest: Digest, body: bytes, references: References) -> dict[str, Any]:
    described: dict[str, Any] = {
        "mediaType": references.media_type,
        "digest": str(digest),
        "size": len(body),
        "artifactType": references.artifact_type,
        "annotations": dict(references.annotations),
    }
    return {key: value for key, value in described.items() if value or key == "size"}
