"""A real client whose pull is cut goes on where it was: containerd, over a line that breaks once."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import contextmanager

import pytest

from stackgen.demo.image import build_image
from tests.bad_line import bad_line
from tests.live.clients import write_layout
from tests.registry_app.rendered_nginx import rendered_nginx
from tests.serving import start_registry

MISSING = [name for name in ("containerd", "ctr", "skopeo", "nginx") if shutil.which(name) is None]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="containerd runs as root"),
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
]


@pytest.fixture
def front(tmp_path):
    """A stack's nginx before a registry that asks for a login."""
    config = {"stackgen": {"accel_redirect": "/_blobs/", "trusted_proxies": ["127.0.0.0/8"]}}
    with (
        start_registry(tmp_path / "registry", users={"alice": "secret"}, config=config) as registry,
        rendered_nginx(registry, tmp_path / "nginx") as nginx,
    ):
        yield nginx


@pytest.fixture
def certificates(front, tmp_path):
    """A folder with the authority to trust."""
    folder = tmp_path / "trusted"
    folder.mkdir()
    shutil.copy(tmp_path / "nginx" / "certificate.pem", folder / "ca.crt")
    return folder


@contextmanager
def containerd(home):
    """The words before a command of `ctr`, whose containerd has everything in this folder."""
    disabled = 'disabled_plugins = ["io.containerd.grpc.v1.cri"]'
    places = f'root = "{home}/root"\nstate = "{home}/state"\n[grpc]\naddress = "{home}/c.sock"\n'
    (home / "containerd.toml").write_text(f"version = 2\n{disabled}\n{places}")
    with (home / "containerd.log").open("wb") as log:
        service = subprocess.Popen(["containerd", "--config", home / "containerd.toml"], stdout=log, stderr=log)
    try:
        words = ["ctr", "--address", f"{home}/c.sock", "--namespace", "tests"]
        end = time.monotonic() + 20
        while subprocess.run([*words, "version"], capture_output=True, check=False).returncode:
            assert time.monotonic() < end, (home / "containerd.log").read_text()
            time.sleep(0.1)
        yield words
    finally:
        service.terminate()
        service.wait(20)


def test_a_fetch_that_was_cut_goes_on_where_it_was(front, certificates, tmp_path):
    """Containerd asks again for the rest alone, and checks the digest of the whole."""
    digest = write_layout(tmp_path / "large", build_image("large", os.urandom(5_000_000).hex()), name="large")
    push = ["skopeo", "--insecure-policy", "copy", "--dest-creds", "alice:secret", "--dest-cert-dir", certificates]
    target = f"docker://localhost:{front.port}/team/large:1"
    subprocess.run([*push, f"oci:{tmp_path}/large:large", target], check=True, capture_output=True)
    with containerd(tmp_path) as ctr, bad_line(front.port, most=4_000_000) as line:
        authority = f"localhost:{line.port}"
        trust = certificates / "hosts" / authority
        trust.mkdir(parents=True)
        address = f"https://{authority}"
        hosts = f'server = "{address}"\n[host."{address}"]\nca = "{certificates}/ca.crt"\n'
        (trust / "hosts.toml").write_text(hosts)
        access = ["--user", "alice:secret", "--hosts-dir", trust.parent]
        subprocess.run(
            [*ctr, "content", "fetch", *access, f"{authority}/team/large:1"], check=True, capture_output=True
        )
        known = subprocess.run([*ctr, "images", "ls"], check=True, capture_output=True, text=True).stdout
    assert line.was_cut
    assert digest in known
    (rest,) = [int(request["sent"]) for request in front.requests() if request["status"] == "206"]
    assert 0 < rest < 3_000_000
