"""A small registry client that knows what it pushed."""

from __future__ import annotations

import hashlib
import http.client
import json
import random
from dataclasses import dataclass

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
CONFIG = "application/vnd.oci.image.config.v1+json"
FAILURES = (OSError, http.client.HTTPException)


class RefusedError(Exception):
    """An answer other than the one hoped for."""

    def __init__(self, status, body=b""):
        super().__init__(f"{status} {body[:200]!r}")
        self.status = status
        self.body = body


def digest_of(content):
    """The sha256 digest of some bytes."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class Image:
    """What a client pushes: its blobs, config first, and the manifest over them."""

    blobs: tuple[bytes, ...]
    manifest: bytes

    @property
    def digest(self):
        """The manifest's digest."""
        return digest_of(self.manifest)


def make_image(pick: random.Random, *, layers=2, size=2000, shared=()):
    """An image of random layers, and of `shared` ones that other images have too."""
    blobs = (
        b'{"id":"%016x"}' % pick.getrandbits(64),
        *shared,
        *(pick.randbytes(pick.randrange(1, size)) for _ in range(layers)),
    )
    described = [
        {"mediaType": CONFIG if place == 0 else LAYER, "digest": digest_of(blob), "size": len(blob)}
        for place, blob in enumerate(blobs)
    ]
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": described[0], "layers": described[1:]}
    return Image(blobs, json.dumps(document).encode())


def describe(image):
    """The descriptor of an image, as an index or a signature holds it."""
    media_type = json.loads(image.manifest)["mediaType"]
    return {"mediaType": media_type, "digest": image.digest, "size": len(image.manifest)}


def make_index(images):
    """An index over images, which are pushed by themselves."""
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [describe(one) for one in images]}
    return Image((), json.dumps(document).encode())


def make_signature(pick: random.Random, subject):
    """Something small that refers to an image."""
    image = make_image(pick, layers=1, size=100)
    return Image(image.blobs, json.dumps({**json.loads(image.manifest), "subject": describe(subject)}).encode())


class Client:
    """One kept connection to a registry on loopback."""

    def __init__(self, port, timeout=20):
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)

    def __del__(self):
        self._connection.close()

    def ask(self, method, path, body=None, headers=None):
        """Status, headers and body of an answer; FAILURES if there is none."""
        try:
            self._connection.request(method, path, body=body, headers=headers or {})
            response = self._connection.getresponse()
            return response.status, response.headers, response.read()
        except FAILURES:
            self._connection.close()
            raise

    def expect(self, status, method, path, body=None, headers=None):
        """Headers and body of an answer of this status; RefusedError for another."""
        got, headers_got, content = self.ask(method, path, body, headers)
        if got != status:
            raise RefusedError(got, content)
        return headers_got, content

    def push_blob(self, repository, blob, *, skip=False):
        """POST, PATCH and PUT, as docker does; with `skip` nothing if HEAD says that it is there."""
        if skip and self.ask("HEAD", f"/v2/{repository}/blobs/{digest_of(blob)}")[0] == 200:
            return
        headers, _ = self.expect(202, "POST", f"/v2/{repository}/blobs/uploads/")
        headers, _ = self.expect(202, "PATCH", headers["Location"], blob, {"Content-Type": "application/octet-stream"})
        location = headers["Location"]
        self.expect(201, "PUT", f"{location}{'&' if '?' in location else '?'}digest={digest_of(blob)}")

    def mount(self, repository, digest, source):
        """Whether the blob could be mounted from another repository."""
        status, _, content = self.ask("POST", f"/v2/{repository}/blobs/uploads/?mount={digest}&from={source}")
        if status not in (201, 202):
            raise RefusedError(status, content)
        return status == 201

    def push_manifest(self, repository, reference, image):
        """The manifest under a tag or digest."""
        self.expect(
            201,
            "PUT",
            f"/v2/{repository}/manifests/{reference}",
            image.manifest,
            {"Content-Type": json.loads(image.manifest)["mediaType"]},
        )

    def push(self, repository, tag, image, *, skip=False):
        """A whole image."""
        for blob in image.blobs:
            self.push_blob(repository, blob, skip=skip)
        self.push_manifest(repository, tag, image)

    def find(self, repository, tag):
        """Digest and body of the manifest that a tag names, None if it is unknown; RefusedError for a 5xx."""
        status, headers, body = self.ask(
            "GET", f"/v2/{repository}/manifests/{tag}", headers={"Accept": f"{OCI_MANIFEST}, {OCI_INDEX}"}
        )
        if status == 404:
            return None
        if status != 200:
            raise RefusedError(status, body)
        return headers["Docker-Content-Digest"], body

    def pull(self, repository, tag, allowed):
        """The digest that a tag names, and what is wrong: it must be one of `allowed` (None in it: may be unknown)."""
        digest = None
        try:
            found = self.find(repository, tag)
            if found is None:
                return None, [] if None in allowed else [f"{repository}:{tag} is lost"]
            digest, body = found
            problems = (
                [] if digest in allowed else [f"{repository}:{tag} names {digest}, which was not acknowledged last"]
            )
            if digest_of(body) != digest:
                problems.append(f"{repository}:{tag} serves a manifest that has not its digest")
            problems += self._problems_below(repository, json.loads(body))
        except RefusedError as error:
            return digest, [f"{repository}:{tag}: {error}"]
        return digest, problems

    def _problems_below(self, repository, document):
        problems = []
        for described in document.get("manifests", ()):
            found = self.find(repository, described["digest"])
            if found is None:
                problems.append(f"{repository}@{described['digest']}, a platform, is lost")
            else:
                problems += self._problems_below(repository, json.loads(found[1]))
        for described in (document.get("config"), *document.get("layers", ())):
            problems += self.blob_problems(repository, described["digest"]) if described else []
        return problems

    def signature_problems(self, repository, subject, signature):
        """What is wrong with a signature that was acknowledged: it must be listed, and whole."""
        _, body = self.expect(200, "GET", f"/v2/{repository}/referrers/{subject}")
        if signature not in [one["digest"] for one in json.loads(body)["manifests"]]:
            return [f"{repository}@{signature}, a signature, is not listed"]
        return self.pull(repository, signature, {signature})[1]

    def blob_problems(self, repository, digest):
        """What is wrong with a blob that an acknowledged image needs."""
        status, _, body = self.ask("GET", f"/v2/{repository}/blobs/{digest}")
        if status != 200:
            return [f"{repository}@{digest} answers {status}"]
        return [] if digest_of(body) == digest else [f"{repository}@{digest} serves corrupt bytes"]
