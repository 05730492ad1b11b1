"""One push against the store itself, for a tracer to fail or kill at any system call.

Prints `acknowledged <name>` after each step that a client would have had its 201 for.
"""

from __future__ import annotations

import io
import random
import sys
from contextlib import suppress
from pathlib import Path

from registry_app.errors import RegistryError
from registry_app.oci.digests import Digest
from registry_app.oci.manifests import parse_manifest
from registry_app.oci.names import Repository, Tag
from registry_app.storage import open_storage
from tests.faults.client import OCI_MANIFEST, make_image

REPOSITORY, TAG = Repository("team/app"), Tag("v1")


def image_of(seed):
    """The image that is pushed."""
    return make_image(random.Random(str(seed)), layers=1)


def push(root, seed, say):
    """Each blob by POST, PATCH and PUT, then the manifest under a tag."""
    storage, image = open_storage(root), image_of(seed)
    with suppress(OSError):
        Path("/where-the-push-begins").stat()  # seen in the trace
    for place, blob in enumerate(image.blobs):
        upload = storage.uploads.start(REPOSITORY, "alice")
        storage.uploads.append(REPOSITORY, upload.id, io.BytesIO(blob), owner="alice")
        storage.uploads.finish(REPOSITORY, upload.id, Digest.of(blob), io.BytesIO(b""), owner="alice")
        say(f"acknowledged blob{place}")
    storage.manifests.put(REPOSITORY, TAG, parse_manifest(image.manifest, OCI_MANIFEST))
    say("acknowledged manifest")


def _say(text):
    with suppress(OSError):  # the tracer may break this write too, which is none of the store's
        print(text, flush=True)


def main():
    """Exit code 0 if all was acknowledged, 1 if something was refused."""
    try:
        push(Path(sys.argv[1]), sys.argv[2], _say)
    except RegistryError as error:
        print(f"refused {error.code.name} {error.message}", flush=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
