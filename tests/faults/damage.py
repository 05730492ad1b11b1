"""Flipped bits: a scrub finds each of them, and nothing damaged is served afterwards."""

from __future__ import annotations

import random

from registry_app.errors import RegistryError
from registry_app.gc.scrub import scrub
from registry_app.oci.digests import Digest
from registry_app.oci.names import Repository
from registry_app.storage import open_storage
from tests.faults.outcome import Outcome
from tests.registry_app.storage.pushing import push_blob, push_image

REPOSITORY = Repository("team/app")


def flipped_bits(folder, *, count, seed):
    """Flips one bit in each of `count` files among twice as many."""
    pick, outcome = random.Random(seed), Outcome()
    storage = open_storage(folder / "root")
    for number in range(2 * count):
        content = b"%d/" % number + pick.randbytes(pick.randrange(1, 4000))
        push_blob(storage, content, REPOSITORY)
        if number % 10 == 0:
            push_image(storage, f"t{number}", REPOSITORY, layers=(content,))
    files = sorted(storage.layout.blobs.rglob("data"))
    damaged = set(pick.sample(files, count))
    for path in damaged:
        content = bytearray(path.read_bytes())
        content[pick.randrange(len(content))] ^= 1 << pick.randrange(8)
        path.write_bytes(content)
    found = {storage.layout.blob(digest) for digest in scrub(storage).damaged}
    outcome.counts.update(files=len(files), flipped=len(damaged), found=len(found))
    outcome.violations += [f"not found: {path}" for path in damaged - found]
    outcome.violations += [f"found, but whole: {path}" for path in found - damaged]
    outcome.violations += list(_served(storage, files))
    return outcome


def _served(storage, files):
    """Blobs that can still be read and do not have their digest."""
    for path in files:
        digest = Digest("sha256", path.parent.name)
        try:
            _, file = storage.blobs.open(REPOSITORY, digest)
        except RegistryError:
            continue
        with file:
            if Digest.of(file.read()) != digest:
                yield f"served corrupt: {digest}"
