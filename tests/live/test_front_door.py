"""What meets a person who comes with a browser, with Compose, or from another machine."""

from __future__ import annotations

import http.client
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.conftest import StackMaker
from tests.live.sample import sample_image
from tests.live.stack import LiveStack, ask, succeed

pytestmark = pytest.mark.live


def test_compose_config_is_clean(stack: LiveStack) -> None:
    """Compose reads the stack without an error or a warning."""
    read = stack.compose("config", "--quiet")
    assert (read.stdout, read.stderr) == ("", "")


def test_front_page(stack: LiveStack) -> None:
    """A browser on / meets a page that tells how to log in, with the real host and port."""
    page = stack.ask_as_stranger("/", headers={"Accept": "text/html"})
    assert page.status == 200
    assert page.headers["content-type"].startswith("text/html")
    assert f"docker login {stack.authority}" in page.body.decode()


def test_redirect_to_https(stack: LiveStack) -> None:
    """Plain HTTP is sent on to HTTPS on the published port, path and query kept."""
    plain = http.client.HTTPConnection(stack.settings.host, stack.settings.http_port, timeout=10)
    answer = ask(plain, "/v2/_catalog?n=5")
    assert answer.status in {301, 308}
    assert answer.headers["location"] == f"https://{stack.authority}/v2/_catalog?n=5"


def test_health_for_strangers(stack: LiveStack) -> None:
    """A stranger learns from /healthz that all is well, and no more."""
    answer = stack.ask_as_stranger("/healthz")
    assert answer.status == 200
    assert len(answer.body) < 32


def test_upload_location(stack: LiveStack) -> None:
    """An upload goes on at the address that the client used."""
    answer = stack.ask("/v2/team/located/blobs/uploads/", method="POST", headers={"Content-Length": "0"})
    assert answer.status == 202
    location = answer.headers["location"]
    assert location.startswith(("/v2/team/located/blobs/uploads/", f"https://{stack.authority}/v2/team/located/"))


@pytest.fixture
def remote_stack(make_stack: StackMaker) -> Iterator[LiveStack]:
    """A stack at an address of this machine that the engine does not trust blindly, as it does loopback ones."""
    command = ["docker", "network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}"]
    remote = make_stack("remote", host=succeed(command, within=20).stdout.strip())
    yield remote
    shutil.rmtree(_place_of_ca(remote).parent, ignore_errors=True)


def test_trust_in_the_local_ca(remote_stack: LiveStack) -> None:
    """The engine refuses the certificate of another host until the CA lies where init says."""
    refused = remote_stack.try_docker(
        "login", "-u", remote_stack.user, "--password-stdin", remote_stack.authority, stdin=remote_stack.password
    )
    assert refused.returncode != 0
    assert "certificate signed by unknown authority" in refused.stderr

    place = _place_of_ca(remote_stack)
    place.parent.mkdir(parents=True)
    shutil.copy(remote_stack.certificate, place)
    remote_stack.login()
    with sample_image(remote_stack, "team/trusted:1") as image:
        image.push()
        image.forget()
        assert image.pull() == image.identity


def _place_of_ca(stack: LiveStack) -> Path:
    """Where the words that init printed put the CA for Docker."""
    found = re.search(r"/etc/docker/certs\.d/\S+", stack.introduction)
    assert found, stack.introduction
    return Path(found.group())


def test_least_privilege(stack: LiveStack) -> None:
    """Nothing runs as root or may write to its image, and only nginx has ports on the host."""
    containers = stack.compose("ps", "--quiet").stdout.split()
    described = json.loads(succeed(["docker", "inspect", *containers], within=20).stdout)
    published = {one["Config"]["Labels"]["com.docker.compose.service"] for one in described if _published(one)}
    assert published == {"nginx"}
    for one in described:
        assert one["Config"]["User"].split(":")[0] not in {"", "0", "root"}
        assert one["HostConfig"]["ReadonlyRootfs"]
        assert one["HostConfig"]["CapDrop"] == ["ALL"]


def _published(container: dict[str, dict[str, dict[str, object]]]) -> bool:
    return any(container["NetworkSettings"]["Ports"].values())


def test_stand_alone_image(stack: LiveStack) -> None:
    """The image that the stack built runs on its own."""
    said = succeed(["docker", "run", "--rm", "--network=none", stack.registry_image, "--version"], within=30)
    assert "registry" in said.stdout.lower()
