"""A state machine of the store against a model: whatever the order of calls, both agree."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from registry_app.errors import ErrorCode, RegistryError
from registry_app.gc.collection import collect
from registry_app.gc.observers import Observer
from registry_app.gc.plan import Policy
from registry_app.oci.digests import Digest
from registry_app.oci.manifests import parse_manifest
from registry_app.oci.names import Repository, Tag
from registry_app.storage import open_storage
from tests.registry_app.storage.pushing import body_of, image, index

REPOSITORIES = [Repository(name) for name in ("a", "a/b", "c")]
TAGS = [Tag(name) for name in ("x", "y")]
CONTENTS = [b"{}", b"1", b"22"]
repositories, tags = st.sampled_from(REPOSITORIES), st.sampled_from(TAGS)
contents = st.sampled_from(CONTENTS)
images = st.builds(
    lambda layers: image(CONTENTS[0], tuple(layers)), st.lists(st.sampled_from(CONTENTS[1:]), max_size=2, unique=True)
)
documents = images | st.builds(lambda inner: index(*inner), st.lists(images, max_size=2))


def outcome(call):
    """What a call gives, or the code it is refused with."""
    try:
        return call()
    except RegistryError as error:
        return error.code


class StoreAgainstModel(RuleBasedStateMachine):
    """The model is a few dictionaries: what each repository links, has and names."""

    @initialize()
    def begin(self):
        self.folder = Path(tempfile.mkdtemp(prefix="model-"))
        self.workers = [open_storage(self.folder) for _ in range(2)]
        self.blobs = {one: set() for one in REPOSITORIES}
        self.manifests = {one: {} for one in REPOSITORIES}
        self.tags = {one: {} for one in REPOSITORIES}
        self.known = set()
        self.uploads = {}
        self.turn = 0

    def teardown(self):
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder)

    @property
    def store(self):
        """The worker that the next request lands on."""
        self.turn += 1
        return self.workers[self.turn % 2]

    @rule(repository=repositories, content=contents, cut=st.integers(0, 2), owner=st.sampled_from([None, "alice"]))
    def push_blob(self, repository, content, cut, owner):
        upload = self.store.uploads.start(repository, owner)
        self.store.uploads.append(repository, upload.id, io.BytesIO(content[:cut]), owner=owner)
        self.store.uploads.finish(repository, upload.id, Digest.of(content), io.BytesIO(content[cut:]), owner=owner)
        self.blobs[repository].add(content)
        self.known.add(repository)

    @rule(source=repositories, into=repositories, content=contents)
    def mount(self, source, into, content):
        got = outcome(lambda: self.store.blobs.mount(into, Digest.of(content), [source]).size)
        if content in self.blobs[source]:
            assert got == len(content)
            self.blobs[into].add(content)
            self.known.add(into)
        else:
            assert got is ErrorCode.BLOB_UNKNOWN

    @rule(repository=repositories, content=contents)
    def delete_blob(self, repository, content):
        got = outcome(lambda: self.store.blobs.delete(repository, Digest.of(content)))
        assert got is (None if content in self.blobs[repository] else ErrorCode.BLOB_UNKNOWN)
        self.blobs[repository].discard(content)

    @rule(repository=repositories, tag=st.none() | tags, document=documents)
    def push_manifest(self, repository, tag, document):
        body = body_of(document)
        manifest = parse_manifest(body, document["mediaType"])
        digest = Digest.of(body)
        got = outcome(lambda: self.store.manifests.put(repository, tag or digest, manifest))
        linked = {Digest.of(content) for content in self.blobs[repository]}
        complete = {one.digest for one in manifest.blobs} <= linked and {
            one.digest for one in manifest.children
        } <= set(self.manifests[repository])
        assert got == (digest if complete else ErrorCode.MANIFEST_BLOB_UNKNOWN)
        if complete:
            self.manifests[repository][digest] = body
            self.known.add(repository)
            if tag:
                self.tags[repository][tag] = digest

    @rule(repository=repositories, tag=tags)
    def delete_tag(self, repository, tag):
        got = outcome(lambda: self.store.manifests.delete(repository, tag))
        assert got == (self.tags[repository].pop(tag, None) or ErrorCode.MANIFEST_UNKNOWN)

    @rule(repository=repositories, document=documents)
    def delete_manifest(self, repository, document):
        digest = Digest.of(body_of(document))
        got = outcome(lambda: self.store.manifests.delete(repository, digest))
        assert got == (digest if self.manifests[repository].pop(digest, None) else ErrorCode.MANIFEST_UNKNOWN)
        self.tags[repository] = {tag: named for tag, named in self.tags[repository].items() if named != digest}

    @rule(repository=repositories)
    def delete_repository(self, repository):
        got = outcome(lambda: self.store.repositories.delete(repository))
        assert got is (None if repository in self.known else ErrorCode.NAME_UNKNOWN)
        self.blobs[repository], self.manifests[repository], self.tags[repository] = set(), {}, {}
        self.known.discard(repository)

    @rule(repository=repositories, content=contents)
    def leave_an_upload(self, repository, content):
        upload = self.store.uploads.start(repository)
        assert self.store.uploads.append(repository, upload.id, io.BytesIO(content)).offset == len(content)

    @rule()
    def collect_with_grace(self):
        collect(self.store, Policy(grace=3600, untagged=True), Observer())

    @rule()
    def collect_without_grace(self):
        """What no manifest needs may go; the model forgets what is out of reach, and nothing else does."""
        collect(self.store, Policy(grace=0, trash=0), Observer())
        for repository in REPOSITORIES:
            needed = set().union(*(self._contents_of(body) for body in self.manifests[repository].values()))
            self.blobs[repository] &= needed

    @rule()
    def restart_a_worker(self):
        self.workers[self.turn % 2] = open_storage(self.folder)

    @invariant()
    def everything_agrees(self):
        if not hasattr(self, "folder"):
            return
        store = self.store
        for repository in REPOSITORIES:
            for content in CONTENTS:
                got = outcome(lambda r=repository, c=content: store.blobs.stat(r, Digest.of(c)).size)
                assert got == (len(content) if content in self.blobs[repository] else ErrorCode.BLOB_UNKNOWN)
            for tag in TAGS:
                named = self.tags[repository].get(tag)
                got = outcome(lambda r=repository, t=tag: store.manifests.get(r, t).body)
                assert got == (self.manifests[repository][named] if named else ErrorCode.MANIFEST_UNKNOWN)
            for digest, body in self.manifests[repository].items():
                assert store.manifests.get(repository, digest).body == body
            got = outcome(lambda r=repository: store.tags.list(r))
            known = repository in self.known
            assert got == (sorted(map(str, self.tags[repository])) if known else ErrorCode.NAME_UNKNOWN)
        assert store.repositories.list() == [str(one) for one in REPOSITORIES if one in self.known]

    @staticmethod
    def _contents_of(body):
        return {content for content in CONTENTS if str(Digest.of(content)).encode() in body}


EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "10"))
StoreAgainstModel.TestCase.settings = settings(max_examples=EXAMPLES, stateful_step_count=20, deadline=None)
TestStoreAgainstModel = StoreAgainstModel.TestCase
