"""One tree, two services: Debian's docker-registry and ours, in turn, with deletes and both collectors."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.registry_app.test_protocol import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, descriptor, digest, encoded
from tests.serving import RunningRegistry, free_port, start_registry

THEIRS = shutil.which("docker-registry")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(THEIRS is None, reason="Debian's docker-registry is not installed")]


@dataclass(frozen=True)
class Image:
    """An image as it was pushed."""

    repository: str
    tag: str
    manifest: bytes
    contents: tuple[bytes, ...]
    media_type: str = OCI_MANIFEST


def make_image(repository: str, tag: str, *layers: bytes, **extra) -> Image:
    """An image with a config of its own."""
    config = encoded({"architecture": "amd64", "os": "linux", "tag": tag, "of": repository})
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(config, OCI_CONFIG),
        "layers": [descriptor(layer, OCI_LAYER) for layer in layers],
        **extra,
    }
    return Image(repository, tag, encoded(manifest), (config, *layers))


def push(registry: RunningRegistry, image: Image) -> None:
    """Pushes as clients do: POST, PUT for each blob, then the manifest."""
    for content in image.contents:
        start = registry.request("POST", f"/v2/{image.repository}/blobs/uploads/")
        assert start.status == 202, start.body
        location = start["Location"].removeprefix(f"http://127.0.0.1:{registry.port}")
        done = registry.request(
            "PUT", f"{location}{'&' if '?' in location else '?'}digest={digest(content)}", body=content
        )
        assert done.status == 201, done.body
    answer = registry.request(
        "PUT",
        f"/v2/{image.repository}/manifests/{image.tag}",
        body=image.manifest,
        headers={"Content-Type": image.media_type},
    )
    assert answer.status == 201, answer.body


def pull(registry: RunningRegistry, image: Image) -> bool:
    """Whether the image comes back whole, byte for byte."""
    headers = {"Accept": f"{OCI_MANIFEST}, {OCI_INDEX}"}
    manifest = registry.request("GET", f"/v2/{image.repository}/manifests/{image.tag}", headers=headers)
    if manifest.status == 404:
        return False
    assert (manifest.status, manifest.body) == (200, image.manifest)
    for content in image.contents:
        blob = registry.request("GET", f"/v2/{image.repository}/blobs/{digest(content)}")
        assert (blob.status, blob.body) == (200, content)
    return True


def lists(registry: RunningRegistry) -> dict[str, list[str]]:
    """Tags of every repository in the catalog."""
    names = json.loads(registry.request("GET", "/v2/_catalog").body)["repositories"]
    found = {
        name: json.loads(registry.request("GET", f"/v2/{name}/tags/list").body).get("tags") or [] for name in names
    }
    return {name: sorted(tags) for name, tags in found.items()}


def their_config(folder: Path, root: Path, port: int) -> Path:
    """A configuration for Debian's docker-registry."""
    path = folder / f"theirs-{port}.yml"
    document = {
        "version": 0.1,
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(root)}, "delete": {"enabled": True}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    path.write_text(yaml.safe_dump(document))
    return path


@contextmanager
def start_theirs(folder: Path, root: Path):
    """Debian's docker-registry on a tree."""
    port = free_port()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("REGISTRY_")}
    config = their_config(folder, root, port)
    with (folder / "theirs.log").open("ab") as log:
        process = subprocess.Popen([THEIRS, "serve", str(config)], stdout=log, stderr=log, env=environ)
    registry = RunningRegistry(port, 0, root, folder / "theirs.log", process)
    try:
        end = time.monotonic() + 10
        while time.monotonic() < end:
            with suppress(OSError):
                if registry.request("GET", "/v2/").status == 200:
                    break
            time.sleep(0.05)
        yield registry
    finally:
        process.terminate()
        process.wait(10)


def collect(command: list[str], folder: Path, root: Path) -> str:
    """Output of a collector over a tree."""
    config = their_config(folder, root, 1)
    result = subprocess.run(
        [*command, "garbage-collect", *[], str(config)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


OURS = [sys.executable, "-m", "registry_app"]
SHARED = b"a layer of both" * 1000


def stored(root: Path) -> set[str]:
    """Digests of every blob in the tree."""
    return {f"sha256:{path.parent.name}" for path in (root / "docker/registry/v2/blobs/sha256").glob("*/*/data")}


def test_what_they_stored_is_served_by_us_and_goes_back(tmp_path):
    """Pushed to theirs, pulled from ours, deleted and pushed in ours, and all of it seen by theirs again."""
    root = tmp_path / "root"
    root.mkdir()
    one, two = make_image("team/one", "1", SHARED, b"one"), make_image("team/one/deep", "2", SHARED, b"two")
    with start_theirs(tmp_path, root) as theirs:
        push(theirs, one)
        push(theirs, two)
    three = make_image("team/three", "3", SHARED, b"three")
    with start_registry(tmp_path / "ours", root=root) as ours:
        assert pull(ours, one)
        assert pull(ours, two)
        assert lists(ours) == {"team/one": ["1"], "team/one/deep": ["2"]}
        push(ours, three)
        push(ours, make_image("team/one", "again", SHARED, b"again"))
        assert ours.request("DELETE", "/v2/team/one/manifests/1").status == 202
        assert ours.request("DELETE", f"/v2/team/one/deep/manifests/{digest(two.manifest)}").status == 202
    with start_theirs(tmp_path, root) as theirs:
        assert pull(theirs, three)
        assert pull(theirs, make_image("team/one", "again", SHARED, b"again"))
        assert not pull(theirs, one)
        assert not pull(theirs, two)
        assert lists(theirs)["team/one"] == ["again"]
        assert theirs.request("DELETE", f"/v2/team/three/manifests/{digest(three.manifest)}").status == 202
    with start_registry(tmp_path / "ours", root=root) as ours:
        assert not pull(ours, three)
        assert lists(ours)["team/one"] == ["again"]


def test_a_tree_that_they_change_while_we_serve_it_is_seen_within_seconds(tmp_path):
    """Both run on one tree: new tags, repositories and deletes of theirs show in our lists."""
    root = tmp_path / "root"
    root.mkdir()
    one, two = make_image("a/one", "1", SHARED), make_image("b/two", "2", SHARED)
    with start_theirs(tmp_path, root) as theirs, start_registry(tmp_path / "ours", root=root) as ours:
        push(ours, one)
        assert lists(ours) == {"a/one": ["1"]}
        push(theirs, two)
        push(theirs, make_image("a/one", "more", SHARED))
        assert theirs.request("DELETE", f"/v2/a/one/manifests/{digest(one.manifest)}").status == 202
        end = time.monotonic() + 5
        while lists(ours) != {"a/one": ["more"], "b/two": ["2"]} and time.monotonic() < end:
            time.sleep(0.2)
        assert lists(ours) == {"a/one": ["more"], "b/two": ["2"]}
        assert not pull(ours, one)


@pytest.mark.parametrize("pushed_by", ["ours", "theirs"])
@pytest.mark.parametrize("collected_by", ["ours", "theirs"])
def test_a_collector_of_either_keeps_all_that_lives_and_nothing_else(tmp_path, pushed_by, collected_by):
    """Our tree under their collector, their tree under ours, and each under its own."""
    root = tmp_path / "root"
    root.mkdir()
    kept, gone = make_image("x/kept", "1", SHARED, b"kept"), make_image("x/gone", "1", SHARED, b"gone")
    child = make_image("x/index", "child", b"child")
    index = Image(
        "x/index",
        "all",
        encoded({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [descriptor(child.manifest, OCI_MANIFEST)]}),
        (),
        OCI_INDEX,
    )
    start = start_registry(tmp_path / "ours", root=root) if pushed_by == "ours" else start_theirs(tmp_path, root)
    with start as registry:
        for image in (kept, gone, child, index):
            push(registry, image)
        assert registry.request("DELETE", f"/v2/x/gone/manifests/{digest(gone.manifest)}").status == 202
    living = {digest(content) for image in (kept, child, index) for content in (image.manifest, *image.contents)}
    dead = {digest(content) for content in (gone.manifest, b"gone", gone.contents[0])}
    assert living | dead <= stored(root) | {digest(gone.manifest)}
    if collected_by == "ours":
        config = tmp_path / "collect.yml"
        config.write_text(
            yaml.safe_dump(
                {
                    "version": 0.1,
                    "storage": {"filesystem": {"rootdirectory": str(root)}},
                    "stackgen": {"gc": {"grace": 0}},
                }
            )
        )
        result = subprocess.run([*OURS, "garbage-collect", str(config)], capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
    else:
        collect([THEIRS], tmp_path, root)
    assert living <= stored(root)
    assert not dead & stored(root)
    with start_registry(tmp_path / "after", root=root) as ours:
        assert all(pull(ours, image) for image in (kept, child, index))
        assert not pull(ours, gone)
    with start_theirs(tmp_path, root) as theirs:
        assert all(pull(theirs, image) for image in (kept, child, index))
