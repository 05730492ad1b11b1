"""The main job, as a person with the docker client does it: log in, push, pull, delete."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.bad_line import bad_line
from tests.live.sample import sample_image
from tests.live.stack import LiveStack

pytestmark = pytest.mark.live

MANIFEST_TYPES = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"


def test_large_layer(stack: LiveStack) -> None:
    """An image with a layer of 300 MB comes back as it was pushed."""
    stack.login()
    with sample_image(stack, "team/large:1", size=300 * 1000 * 1000) as image:
        image.push()
        image.forget()
        assert image.pull() == image.identity


def test_a_pull_that_was_cut_goes_on_where_it_was(stack: LiveStack) -> None:
    """Docker asks again for the rest alone, and the image is whole."""
    stack.login()
    before = len(stack.partial_answers())
    size = 20_000_000
    with (
        sample_image(stack, "team/cut:1", size=size) as image,
        bad_line(stack.settings.https_port, most=size * 2 // 3) as line,
    ):
        image.push()
        image.forget()
        authority = f"localhost:{line.port}"
        stack.docker("login", "--username", stack.user, "--password-stdin", authority, stdin=stack.password)
        try:
            stack.docker("pull", f"{authority}/team/cut:1")
            found = stack.docker("image", "inspect", "--format", "{{.Id}}", f"{authority}/team/cut:1").stdout.strip()
        finally:
            stack.try_docker("image", "rm", "--force", f"{authority}/team/cut:1")
            stack.docker("logout", authority)
    assert line.was_cut
    assert found == image.identity
    (rest,) = stack.partial_answers()[before:]
    assert 0 < rest < size // 2


def test_many_slashes(stack: LiveStack) -> None:
    """The name of a repository may have many slashes."""
    stack.login()
    with sample_image(stack, "a/b/c/d:latest") as image:
        image.push()
        image.forget()
        assert image.pull() == image.identity


def test_wrong_password(stack: LiveStack) -> None:
    """A wrong password is refused with words that say so."""
    refused = stack.try_docker("login", "--username", stack.user, "--password-stdin", stack.authority, stdin="wrong")
    assert refused.returncode != 0
    assert "unauthorized" in refused.stderr.lower()


def test_no_login(stack: LiveStack, tmp_path: Path) -> None:
    """Without a login nothing can be pushed or pulled."""
    stranger = replace(stack, user_config=tmp_path)
    with sample_image(stranger, "team/stranger:1") as image:
        pushed = stranger.try_docker("push", image.name)
        pulled = stranger.try_docker("pull", image.name)
    assert pushed.returncode != 0
    assert "no basic auth credentials" in pushed.stderr
    assert pulled.returncode != 0
    assert "no basic auth credentials" in pulled.stderr
    assert stack.ask_as_stranger("/v2/").status == 401


def test_delete(stack: LiveStack) -> None:
    """A deleted image is gone, and another one can be pushed under its name."""
    stack.login()
    with sample_image(stack, "team/deleted:1") as image:
        image.push()
        manifest = stack.ask(f"/v2/{image.repository}/manifests/{image.tag}", headers={"Accept": MANIFEST_TYPES})
        digest = manifest.headers["docker-content-digest"]
        assert stack.ask(f"/v2/{image.repository}/manifests/{digest}", method="DELETE").status == 202

        image.forget()
        pulled = stack.try_docker("pull", image.name)
        assert pulled.returncode != 0
        assert "not found" in pulled.stderr or "manifest unknown" in pulled.stderr

    with sample_image(stack, "team/deleted:1") as image:
        image.push()
        image.forget()
        assert image.pull() == image.identity


def test_shared_layers(stack: LiveStack) -> None:
    """A layer that the registry holds in one repository is mounted into another, not sent again."""
    stack.login()
    with sample_image(stack, "team/first:1", size=1_000_000) as image:
        image.push()
        second = f"{stack.authority}/team/second:1"
        stack.docker("tag", image.name, second)
        pushed = stack.docker("push", second)
        stack.docker("image", "rm", second)
    assert "Mounted from team/first" in pushed.stdout


def test_search(stack: LiveStack) -> None:
    """`docker search` finds a repository by a part of its name."""
    stack.login()
    with sample_image(stack, "team/needle:1") as image:
        image.push()
    assert "team/needle" in stack.docker("search", f"{stack.authority}/needle").stdout
