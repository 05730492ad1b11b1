"""Compares the index with the whole tree: what it lacks is added, what it need not know any more is dropped."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry_app.oci.digests import Digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from registry_app.storage.listings import Version
    from registry_app.storage.store import Storage

# Between two repositories now and then, so that requests are not kept waiting for the processor.
_PAUSE, _PAUSE_AFTER = 0.001, 50
# Facts about manifests that nobody has any more, before all is forgotten and read again; a share, and a number.
_MOST_STALE, _SOME_STALE = 0.25, 1000
_WEED_EVERY = 86400.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """What a comparison saw, and how many manifests the index had not known before; `seconds` it took."""

    repositories: int
    tags: int
    learnt: int
    seconds: float


def reconcile(storage: Storage, *, sleep: Callable[[float], None] = time.sleep) -> Reconciled:
    """Makes the index hold what the tree holds, and ends its being dirty. The caller is alone in it."""
    begun = time.monotonic()
    _forget_if_stale(storage)
    repositories = tags = learnt = 0
    for repository in storage.repositories.all():
        repositories += 1
        learnt += storage.referrers.learn(repository)
        tags += len(storage.listings.names(str(storage.layout.tags(repository))))
        if repositories % _PAUSE_AFTER == 0:
            sleep(_PAUSE)
    storage.index.keep_folders(_folders(storage))
    seconds = time.monotonic() - begun
    storage.index.set_state(dirty=0, reconciled=storage.clock(), seconds=seconds, repositories=repositories)
    return Reconciled(repositories=repositories, tags=tags, learnt=learnt, seconds=seconds)


def seed(storage: Storage) -> None:
    """Lets this process begin with the folders that the index remembers, each believed as long as its time is so."""
    root = str(storage.layout.repositories)
    storage.listings.seed((root + path, version, names) for path, version, names in storage.index.folders())


def _folders(storage: Storage) -> Iterator[tuple[str, Version, tuple[str, ...]]]:
    root = str(storage.layout.repositories)
    for path, version, names in storage.listings.settled():
        if path.startswith(root):
            yield path.removeprefix(root), version, names


def _forget_if_stale(storage: Storage) -> None:
    """Looks once a day how many of the known manifests are left; if too few, begins anew."""
    now = storage.clock()
    if 0 <= now - storage.index.state().weeded < _WEED_EVERY:
        return
    digests = storage.index.digests()
    gone = sum(storage.contents.find(Digest.parse(digest)) is None for digest in digests)
    if gone > _SOME_STALE and gone > len(digests) * _MOST_STALE:
        storage.index.forget()
    storage.index.set_state(weeded=now)
