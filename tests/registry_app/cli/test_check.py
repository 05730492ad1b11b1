"""`registry check`: what is missing, and what upstream could not hold."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from registry_app.cli.check import command
from registry_app.oci.digests import Digest
from registry_app.oci.manifests import parse_manifest
from registry_app.oci.names import Repository, Tag
from registry_app.storage import open_storage
from tests.registry_app.test_protocol import EMPTY, OCI_MANIFEST, descriptor, encoded

APP = Repository("team/app")
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"


class Body:
    """A body of a few bytes."""

    def __init__(self, content):
        self.content = content

    def read(self, size):
        """All of it, once."""
        content, self.content = self.content, b""
        return content


def manifest(**extra):
    """A manifest whose only blob is the empty object."""
    return parse_manifest(
        encoded(
            {
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "config": descriptor(EMPTY, EMPTY_TYPE),
                "layers": [],
                **extra,
            }
        ),
        OCI_MANIFEST,
    )


@pytest.fixture
def store(tmp_path):
    """A store with one image, and the configuration that names it."""
    storage = open_storage(tmp_path / "root")
    upload = storage.uploads.start(APP)
    storage.uploads.finish(APP, upload.id, Digest.of(EMPTY), Body(EMPTY))
    storage.manifests.put(APP, Tag("1"), manifest())
    (tmp_path / "config.yml").write_text(f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {tmp_path}/root}}}}\n")
    return storage


def check(tmp_path, *flags):
    """Exit code and lines of the command."""
    result = CliRunner().invoke(command, [*flags, str(tmp_path / "config.yml")])
    return result.exit_code, result.output.splitlines()


def test_a_whole_tree_has_nothing_to_tell(store, tmp_path):
    """Neither of gaps nor of what upstream lacks."""
    assert check(tmp_path) == (0, ["nothing is missing"])
    assert check(tmp_path, "--upstream") == (0, ["registry:2 and registry:3 can hold all of it"])


def test_gaps_are_named_with_what_to_do(store, tmp_path):
    """A tag without its manifest, a manifest without its blob."""
    store.layout.blob(Digest.of(EMPTY)).unlink()
    code, lines = check(tmp_path)
    assert (code, len(lines)) == (1, 1)
    assert lines[0].startswith("team/app: sha256:")
    assert lines[0].endswith(f"refers to {Digest.of(EMPTY)}, which is not there: push the image again")
    store.layout.blob(Digest.of(manifest().body)).unlink()
    code, lines = check(tmp_path)
    assert (code, lines[0].startswith("team/app: 1: names sha256:")) == (1, True)


def test_a_manifest_that_is_not_to_be_had_is_named(store, tmp_path):
    """Though no tag names it: a collection keeps all of its repository for it."""
    bare = manifest(annotations={"a": "b"})
    digest = store.manifests.put(APP, Digest.of(bare.body), bare)
    store.layout.blob(digest).write_bytes(b"{}")
    wanted = f"team/app: {digest}: its content is missing or damaged: push it again, or delete it"
    assert check(tmp_path) == (1, [wanted])
    store.layout.blob(digest).unlink()
    assert check(tmp_path) == (1, [wanted])


def test_a_manifest_that_upstream_deleted_is_not_missing(store, tmp_path):
    """It leaves the folder, without the link."""
    bare = manifest(annotations={"a": "b"})
    digest = store.manifests.put(APP, Digest.of(bare.body), bare)
    store.layout.revision(APP, digest).unlink()
    assert check(tmp_path) == (0, ["nothing is missing"])


def test_a_layer_that_lies_elsewhere_is_not_missing(store, tmp_path):
    """Those of Windows are fetched from where the manifest says, and no push can mend that."""
    foreign = descriptor(b"base", "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")
    store.manifests.put(APP, Tag("windows"), manifest(layers=[{**foreign, "urls": ["https://example.com/base"]}]))
    assert check(tmp_path) == (0, ["nothing is missing"])


@pytest.mark.parametrize("content", [b"", b"sha256:"])
def test_a_tag_without_a_digest_is_named(store, tmp_path, content):
    """As registry:2 leaves it when it is killed."""
    store.layout.current(APP, Tag("1")).write_bytes(content)
    code, lines = check(tmp_path)
    assert (code, lines) == (
        1,
        ["team/app: 1: its link is empty or holds no digest, so it names nothing: push it again, or delete the tag"],
    )


def test_what_upstream_could_not_hold_is_named(store, tmp_path):
    """Manifests and blobs by sha512, and referrers without a tag."""
    upload = store.uploads.start(APP, algorithm="sha512")
    wide = Digest.of(EMPTY, "sha512")
    store.uploads.finish(APP, upload.id, wide, Body(EMPTY))
    signed = manifest(subject=descriptor(manifest().body, OCI_MANIFEST))
    referrer = store.manifests.put(APP, Digest.of(signed.body), signed)
    by_sha512 = store.manifests.put(APP, Digest.of(manifest().body, "sha512"), manifest(), tags=[Tag("wide")])
    code, lines = check(tmp_path, "--upstream")
    assert code == 1
    assert sorted(line.partition(": ")[2] for line in lines) == sorted(
        [
            f"{wide}: a blob that upstream does not find by this digest",
            f"{referrer}: refers to {Digest.of(manifest().body)}: upstream does not list referrers",
            f"{referrer}: has neither tag nor index: upstream's `garbage-collect --delete-untagged` would delete it",
            f"{by_sha512}: a manifest that upstream does not find by this digest: push it by sha256",
        ]
    )
    assert check(tmp_path) == (0, ["nothing is missing"])


def test_symbolic_links_are_named_with_what_to_do(store, tmp_path):
    """Nothing behind one is served."""
    place = store.layout.repository(APP)
    place.rename(tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")
    code, lines = check(tmp_path)
    assert (code, len(lines)) == (1, 1)
    assert lines[0].startswith(f"{place} is a symbolic link to {tmp_path}/elsewhere and is not followed: move what")


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_what_belongs_to_others_is_named_with_what_to_do(store, tmp_path):
    """Each file or folder that the one who asks may not use."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        shutil.move(tmp_path / "root", folder)
        secret = Path(folder, "root/docker/registry/v2/repositories/team/app/_manifests/tags/1/current/link")
        for path in (Path(folder, "root"), *Path(folder, "root").rglob("*")):
            os.chown(path, 10001, 10001)
        os.chown(secret, 0, 0)
        secret.chmod(0o600)
        Path(folder, "config.yml").write_text(
            f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}/root}}}}\n"
        )
        os.seteuid(10001)
        try:
            code, lines = check(Path(folder))
        finally:
            os.seteuid(0)
    assert code == 1
    assert lines[0].startswith(f"{secret} belongs to 0:0 with the mode 0600, and the service runs as 10001:")
