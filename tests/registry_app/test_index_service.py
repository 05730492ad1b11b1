"""The index under a running service of two workers: deleted, made anew by a command, and behind a foreign writer."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time

import pytest

from registry_app.oci.digests import Digest
from registry_app.oci.names import Repository, Tag
from registry_app.storage import open_storage
from tests.registry_app.storage.pushing import APP, body_of
from tests.registry_app.storage.test_index import SUBJECT, sign, signature
from tests.serving import start_registry

ASKED = 12  # connections, enough to meet both workers


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """A registry over a tree with one signature."""
    folder = tmp_path_factory.mktemp("index")
    sign(open_storage(folder / "registry"), 0)
    with start_registry(folder) as registry:
        yield registry
        assert "Traceback" not in registry.log.read_text()


def listed(registry):
    """The numbers of the signatures that are listed, which each worker must agree on."""
    found = set()
    for _ in range(ASKED):
        answer = registry.request("GET", f"/v2/{APP}/referrers/{SUBJECT}")
        assert answer.status == 200
        found.add(tuple(sorted(one["annotations"]["number"] for one in json.loads(answer.body)["manifests"])))
    assert len(found) == 1
    return found.pop()


def metric(registry, name):
    """The value of a metric without labels."""
    return float(re.search(rf"^{name} (\S+)$", registry.ask_debug("/metrics").body.decode(), re.MULTILINE)[1])


def wait_until_complete(registry):
    """Until one of the workers has compared the index with the tree."""
    end = time.monotonic() + 20
    while metric(registry, "registry_index_complete") != 1:
        assert time.monotonic() < end, registry.ask_debug("/debug/ready").body
        time.sleep(0.1)


def test_a_foreign_writer_is_noticed_at_once_by_every_worker(service):
    """It writes into the tree, as registry:2 does, and tells nobody."""
    assert listed(service) == ("0",)
    body = body_of(signature(1))
    layout, digest = open_storage(service.root).layout, Digest.of(body)
    for path, content in ((layout.blob(digest), body), (layout.revision(APP, digest), str(digest).encode())):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    assert listed(service) == ("0", "1")


def test_a_deleted_index_is_made_anew_in_the_background_and_nobody_notices(service):
    """Its file is there again, and complete."""
    wait_until_complete(service)
    before = listed(service)
    for path in open_storage(service.root).layout.own.glob("index.sqlite*"):
        path.unlink()
    assert listed(service) == before
    assert service.request("GET", "/v2/_catalog").body == b'{"repositories":["team/app"]}'
    wait_until_complete(service)
    assert service.ask_debug("/debug/ready").body == b"{}"
    assert metric(service, "registry_index_repositories") == 1


def test_the_command_makes_it_anew_while_the_service_runs(service):
    """And says what it found."""
    before = listed(service)
    command = [sys.executable, "-m", "registry_app", "reindex", str(service.log.parent / "config.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.startswith(
        f"reindexed 1 repositories, 0 tags, {len(before)} manifests and {len(before)} referrers"
    )
    assert listed(service) == before
    assert metric(service, "registry_index_complete") == 1


def test_a_copy_over_the_tree_that_puts_old_times_back_is_noticed_at_once(service, tmp_path):
    """As tar does it, and rsync and cp -a: every folder has its modification time of before."""
    tree = service.root / "docker"
    body = json.dumps(signature(7)).encode()
    subprocess.run(["cp", "-a", tree, tmp_path], check=True)
    copy = open_storage(tmp_path)
    for path, content in (
        (copy.layout.blob(Digest.of(body)), body),
        (copy.layout.revision(APP, Digest.of(body)), str(Digest.of(body)).encode()),
        (copy.layout.current(APP, Tag("copied")), str(Digest.of(body)).encode()),
        (copy.layout.current(Repository("copied/app"), Tag("v1")), str(Digest.of(body)).encode()),
    ):
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    subprocess.run(["cp", "-a", "--attributes-only", f"{tree}/.", tmp_path / "docker"], check=True)
    listed(service)
    with subprocess.Popen(["tar", "-C", tmp_path / "docker", "-c", "."], stdout=subprocess.PIPE) as packed:
        subprocess.run(["tar", "-C", tree, "-x", "--preserve-permissions"], stdin=packed.stdout, check=True)
    for _ in range(ASKED):
        assert "copied/app" in json.loads(service.request("GET", "/v2/_catalog").body)["repositories"]
        assert "copied" in json.loads(service.request("GET", f"/v2/{APP}/tags/list").body)["tags"]
    assert "7" in listed(service)
