"""Referrers: the manifests of a repository whose subject is a given one."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from heapq import merge
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any

from registry_app.errors import ErrorCode, RegistryError
from registry_app.oci.digests import ALGORITHMS, Digest
from registry_app.oci.names import Tag
from registry_app.oci.references import References, parse_references
from registry_app.storage.failures import failures_told
from registry_app.storage.index import MOST_FACTS, Fact
from registry_app.storage.listings import version_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from registry_app.oci.names import Repository
    from registry_app.storage.index import Index, Stand
    from registry_app.storage.layout import Layout
    from registry_app.storage.listings import Listings, Version
    from registry_app.storage.manifests import Manifests

_MOST_FOLDERS = 50_000
_MOST_CHANGING = 100
_TRIES = 20
_NOTHING = (None, frozenset[str](), frozenset[str]())
# Characters of a descriptor; a manifest with more annotations is read again for each list.
_LARGEST_KEPT = 4096
# Behind every digest.
_THE_END = "~"

_digest_of = itemgetter(0)
_by_digest = attrgetter("digest")


@dataclass(frozen=True, slots=True)
class _Learnt:
    """How many manifests of a folder were not known, and the facts about those that the index could not keep.

    `missing`: the names of these, and of those that can't be read.
    """

    count: int
    unkept: tuple[Fact, ...]
    missing: frozenset[str]


_NOTHING_NEW = _Learnt(0, (), frozenset())


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

    def iterate(
        self, repository: Repository, subject: Digest, *, artifact_type: str | None = None, last: str = ""
    ) -> Iterator[dict[str, Any]]:
        """Descriptors of a manifest's referrers after the digest `last`, sorted; of one artifact type if that is given.

        The manifest need not exist. In JSON's terms, as "Listing Referrers" of the specification wants them. Each is
        looked up when it is taken: nobody bounds how many there are, nor how large their annotations.
        """
        with failures_told():
            facts = self._facts(str(repository), str(subject), artifact_type=artifact_type, last=last)
            known = ((fact.digest, fact.descriptor) for fact in facts)
            told = ((digest, None) for digest in self._of_fallback_tag(repository, subject) if digest > last)
            for digest, found in groupby(merge(known, told, key=_digest_of), key=_digest_of):
                descriptor = self._described(repository, Digest.parse(digest), next(found)[1])
                if descriptor is not None and artifact_type in (None, descriptor.get("artifactType")):
                    yield descriptor

    def learn(self, repository: Repository) -> int:
        """Tells the index about those manifests of a repository that it does not know; how many these were."""
        return sum(one.count for one in self._learn(str(repository), self._index.stand()))

    def _learn(self, repository: str, stand: Stand) -> list[_Learnt]:
        return [
            self._learn_folder(f"{repository}/_manifests/revisions/{algorithm}", algorithm, stand)
            for algorithm in ALGORITHMS
        ]

    def _facts(self, repository: str, subject: str, *, artifact_type: str | None, last: str) -> Iterator[Fact]:
        """What refers to a manifest in any repository, all of this one included, sorted; raises UNAVAILABLE."""
        for _ in range(_TRIES):
            stand = self._index.stand()
            # What the index could not keep is told all the same.
            unkept = [fact for one in self._learn(repository, stand) for fact in one.unkept if fact.subject == subject]
            while True:
                found = self._index.referrers(subject, artifact_type=artifact_type, after=last)
                if found is None or stand != self._index.stand():
                    break
                end = found[-1].digest if len(found) == MOST_FACTS else _THE_END
                found += [fact for fact in unkept if last < fact.digest <= end]
                yield from sorted(found, key=_by_digest)
                if end == _THE_END:
                    return
                last = end
        raise RegistryError(ErrorCode.UNAVAILABLE, message="the index is busy", headers={"Retry-After": "1"})

    def _described(self, repository: Repository, digest: Digest, known: str | None) -> dict[str, Any] | None:
        """The descriptor of a manifest, if the repository has it; read from the manifest where it is not known."""
        if not self._manifests.exists(repository, digest):
            return None
        if known is not None:
            return json.loads(known)  # type: ignore[no-any-return]
        try:
            body = self._manifests.content(digest)
            return _descriptor(digest, body, parse_references(body))
        except (RegistryError, FileNotFoundError, ValueError):
            return None

    def _of_fallback_tag(self, repository: Repository, subject: Digest) -> list[str]:
        """What clients kept in an index tagged `<algorithm>-<hex>` while a registry had no list of referrers."""
        try:
            tag = Tag.parse(f"{subject.algorithm}-{subject.hex}"[:128])
            children = parse_references(self._manifests.get(repository, tag).body).children
        except (RegistryError, ValueError):
            return []
        return sorted({str(digest) for digest in children})

    def _learn_folder(self, path: str, algorithm: str, stand: Stand) -> _Learnt:
        folder = f"{self._layout.repositories}/{path}"
        version = version_of(folder)
        if version is None or self._known.get(path) == (stand, version):
            return _NOTHING_NEW
        before = self._learnt.get(path, _NOTHING)
        if before[0] != stand:
            before = _NOTHING
            if self._index.is_known(path, version):
                self._done(path, stand, version)
                return _NOTHING_NEW
        listing = self._listings.look(folder)
        if listing is None:
            return _NOTHING_NEW
        names = frozenset(listing.names)
        learnt = self._read(algorithm, sorted((names - before[1]) | (names & before[2])))
        # What can't be read now, a folder without content for example, may be pushed again without a trace in the
        # folder's time: it is tried each time, and only a folder of which all was read is done with.
        if listing.settled and not learnt.missing:
            self._index.set_known(path, listing.version)
            self._done(path, stand, listing.version)
        else:
            self._not_done(path, stand, names, learnt.missing)
        return learnt

    def _read(self, algorithm: str, names: Sequence[str]) -> _Learnt:
        """Reads the manifests that the index does not know, and lets it keep what they say, some at a time."""
        count, unkept, missing = 0, list[Fact](), set[str]()
        for place in range(0, len(names), MOST_FACTS):
            wanted = self._index.unknown([f"{algorithm}:{name}" for name in names[place : place + MOST_FACTS]])
            facts = [fact for fact in map(self._fact, wanted) if fact is not None]
            count += len(facts)
            missing |= {digest.partition(":")[2] for digest in wanted}
            if facts and not unkept and self._index.add(facts):
                missing -= {fact.digest.partition(":")[2] for fact in facts}
            else:
                unkept += facts
        return _Learnt(count, tuple(unkept), frozenset(missing))

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
        descriptor = json.dumps(_descriptor(digest, body, references))
        kept = descriptor if len(descriptor) <= _LARGEST_KEPT else None
        return Fact(text, str(references.subject), references.artifact_type, kept)


def _descriptor(digest: Digest, body: bytes, references: References) -> dict[str, Any]:
    described: dict[str, Any] = {
        "mediaType": references.media_type,
        "digest": str(digest),
        "size": len(body),
        "artifactType": references.artifact_type,
        "annotations": dict(references.annotations),
    }
    return {key: value for key, value in described.items() if value or key == "size"}
