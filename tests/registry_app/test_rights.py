"""A service that may not use some of its own files: a tree that root copied, made or locked."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.registry_app.test_abuse import MANIFEST
from tests.registry_app.test_protocol import EMPTY, OCI_MANIFEST, digest
from tests.serving import start_registry

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")

SERVICE = 10001
AS_SERVICE = ("setpriv", "--reuid", str(SERVICE), "--regid", str(SERVICE), "--clear-groups")
V2 = "docker/registry/v2"
PUSH = ("PUT", "/v2/team/app/manifests/1", MANIFEST)
REQUESTS = {
    "pull": ("GET", "/v2/team/app/manifests/1", None),
    "blob": ("GET", f"/v2/team/app/blobs/{digest(EMPTY)}", None),
    "push": PUSH,
    "upload": ("POST", "/v2/team/app/blobs/uploads/", None),
    "whole": ("POST", f"/v2/team/app/blobs/uploads/?digest={digest(EMPTY)}", EMPTY),
    "delete": ("DELETE", "/v2/team/app/manifests/gone", None),
    "catalog": ("GET", "/v2/_catalog", None),
    "search": ("GET", "/v1/search?q=a", None),
    "tags": ("GET", "/v2/team/app/tags/list", None),
    "referrers": ("GET", f"/v2/team/app/referrers/{digest(MANIFEST)}", None),
}
WRITES = {"push", "upload", "whole", "delete"}


@pytest.fixture(scope="module")
def registry():
    """A service of another user with one image."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        folder.chmod(0o755)
        (folder / "registry").mkdir()
        os.chown(folder / "registry", SERVICE, SERVICE)
        with start_registry(folder, wrapper=AS_SERVICE, config={"stackgen": {"workers": 1}}) as running:
            assert ask(running, "whole").status == 201
            assert ask(running, "push").status == 201
            assert ask(running, "upload").status == 202
            yield running
            assert "Traceback" not in running.log.read_text()


def ask(registry, name):
    """The answer to one of the requests."""
    method, path, body = REQUESTS[name]
    return registry.request(method, path, body=body, headers={"Content-Type": OCI_MANIFEST})


@contextmanager
def taken(path, mode):
    """While a file or folder belongs to root, with this mode."""
    before = path.stat()
    os.chown(path, 0, 0)
    path.chmod(mode)
    try:
        yield
    finally:
        os.chown(path, before.st_uid, before.st_gid)
        path.chmod(before.st_mode & 0o777)


@pytest.mark.parametrize(
    ("path", "mode", "refused"),
    [
        ("stackgen", 0o700, WRITES),
        ("stackgen", 0o755, set()),
        ("stackgen/drafts", 0o755, set()),
        ("stackgen/locks", 0o600, {"push", "whole", "delete"}),
        (f"{V2}/repositories", 0o700, set(REQUESTS)),
        (f"{V2}/repositories/team", 0o700, set(REQUESTS)),
        (f"{V2}/repositories/team/app/_uploads", 0o755, {"upload", "whole"}),
        (f"{V2}/repositories/team/app/_manifests/tags/1/current/link", 0o600, {"pull", "push"}),
        (f"{V2}/blobs", 0o700, {"pull", "blob", "push", "whole"}),
        (".", 0o700, set(REQUESTS)),
    ],
)
def test_what_can_not_be_used_is_refused_with_the_way_out_in_log_and_readiness(registry, path, mode, refused):
    """503 in OCI's shape, never 500; the rest goes on; all is well again as soon as the rights are."""
    place = registry.root / path
    logged = len(registry.log.read_text())
    with taken(place, mode):
        for name in REQUESTS:
            answer = ask(registry, name)
            if name in refused:
                assert answer.status == 503, (name, answer.status, answer.body)
                assert json.loads(answer.body)["errors"][0]["code"] == "UNAVAILABLE"
                assert str(registry.root) not in answer.body.decode()
            else:
                assert answer.status in {200, 201, 202, 404}, (name, answer.status, answer.body)
        told = f"belongs to 0:0 with the mode {mode:04o}, and the service runs as 10001:10001: run `registry adopt"
        if refused:
            assert f"{place.resolve()} {told}" in registry.log.read_text()[logged:]
        ready = registry.ask_debug("/debug/ready")
        if path.count("/") < 5:
            assert ready.status == 503
            assert f"{place.resolve()} {told}" in ready.body.decode()
    assert registry.ask_debug("/debug/ready").status == 200
    for name in REQUESTS:
        assert ask(registry, name).status in {200, 201, 202, 404}


def test_rights_that_a_mode_takes_away_are_told_with_chmod(registry):
    """The owner is right: `registry adopt` would change nothing."""
    place = registry.root / V2 / "repositories"
    place.chmod(0o500)
    try:
        assert f"run `chmod u+rwX {place}`" in registry.ask_debug("/debug/ready").body.decode()
    finally:
        place.chmod(0o755)


def test_a_tree_that_root_copied_is_named_at_start():
    """With the command that gives it to the service; pulls of what may be read go on."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        folder.chmod(0o755)
        stranger = folder / "registry" / V2 / "repositories/team/app/_manifests"
        stranger.mkdir(parents=True)
        (folder / "registry" / V2 / "blobs").mkdir()
        for path in (folder / "registry", *(folder / "registry").rglob("*")):
            if path != stranger.parent:
                os.chown(path, SERVICE, SERVICE)
        with start_registry(folder, wrapper=AS_SERVICE) as running:
            assert running.request("GET", "/v2/_catalog").status == 200
            assert f"{stranger.parent} belongs to 0:0" in running.log.read_text()
