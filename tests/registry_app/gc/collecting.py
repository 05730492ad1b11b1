"""One collection of a store, and what it left."""

from __future__ import annotations

from registry_app.gc.collection import collect
from registry_app.gc.observers import Observer
from registry_app.gc.plan import Policy
from registry_app.oci.digests import Digest

NOW = Policy(grace=0, trash=3600)
UNTAGGED = Policy(grace=0, trash=3600, untagged=True)


def run(storage, policy=NOW):
    """One collection."""
    return collect(storage, policy, Observer())


def is_stored(storage, content):
    """Whether the bytes of a blob lie in the tree."""
    return storage.layout.blob(Digest.of(content)).exists()
