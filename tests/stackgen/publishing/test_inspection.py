"""`verify` shows what would run, and everything that reaches into the host."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from stackgen.errors import StackgenError
from stackgen.publishing.inspection import inspect_compose

PINNED = "nginx:1.30@sha256:" + "ab" * 32


def overview(**service):
    """Of a project with one service."""
    return inspect_compose(yaml.safe_dump({"services": {"web": {"image": PINNED, **service}}}).encode())


def test_an_image_by_tag_or_variable_is_loose():
    """Only a digest says what will run."""
    assert overview().loose == ()
    assert overview(image="nginx:1.30").loose == ("nginx:1.30",)
    assert overview(image="nginx:${TAG}").loose == ("nginx:${TAG}",)


def test_variables_that_must_be_given_are_told_from_those_that_can():
    """An escaped dollar is no variable."""
    found = overview(command=["${A:?say it}", "${B:-x}", "$C", "$$D", "$${E}"])
    assert (found.required, found.optional) == (("A",), ("B", "C"))


@pytest.mark.parametrize(
    ("service", "words"),
    [
        ({"privileged": True}, "privileged"),
        ({"cap_add": ["SYS_ADMIN"]}, "SYS_ADMIN"),
        ({"network_mode": "host"}, "host's network"),
        ({"volumes": ["/var/run/docker.sock:/s"]}, "as good as root"),
        ({"volumes": [{"type": "bind", "source": "/etc", "target": "/x"}]}, "mounts /etc"),
        ({"pid": "host"}, "pid=host"),
    ],
)
def test_whatever_reaches_into_the_host_is_told(service, words):
    """Before anybody runs it."""
    assert any(words in line for line in overview(**service).notable)


def test_a_plain_service_has_nothing_to_tell():
    """No noise."""
    assert overview(volumes=["data:/x"], privileged=False).notable == ()


@given(st.binary() | st.text().map(str.encode))
def test_no_content_breaks_it(content):
    """Whatever a registry serves is an overview or a refusal."""
    try:
        inspect_compose(content)
    except StackgenError as error:
        assert error.hint  # noqa: PT017
