"""What an artifact says of itself: reproducible times, and no login in its source."""

from __future__ import annotations

import datetime as dt
import subprocess

import pytest

from stackgen.errors import StackgenError
from stackgen.publishing.annotations import annotations_of, as_public_url, creation_time, source_of

NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)


def test_source_date_epoch_is_the_time_of_creation():
    """As reproducible-builds.org defines it."""
    created = creation_time({"SOURCE_DATE_EPOCH": "1700000000"}, now=NOW)
    notes = annotations_of(version="1.0", licence="Apache-2.0", source=None, created=created)
    assert notes["org.opencontainers.image.created"] == "2023-11-14T22:13:20Z"
    assert "org.opencontainers.image.source" not in notes
    assert creation_time({}, now=NOW) == NOW


@pytest.mark.parametrize("epoch", ["today", "1e9", "9" * 30])
def test_a_source_date_epoch_that_is_no_time_is_refused(epoch):
    """With what it should be."""
    with pytest.raises(StackgenError, match="is no time") as caught:
        creation_time({"SOURCE_DATE_EPOCH": epoch}, now=NOW)
    assert "git log" in caught.value.hint


@pytest.mark.parametrize("text", ["\udcff", "a\nb", "\x1b[31m"])
@pytest.mark.parametrize("name", ["licence", "source"])
def test_what_no_one_could_read_is_refused(name, text):
    """Bytes that are no text can't stand in a manifest."""
    given = {"version": "1.0", "licence": "Apache-2.0", "source": None, "created": NOW} | {name: text}
    with pytest.raises(StackgenError, match=f"--{name} .* can't be printed"):
        annotations_of(**given)


@pytest.mark.parametrize(
    ("remote", "url"),
    [
        ("https://user:token@git.example.com/acme/stack.git", "https://git.example.com/acme/stack"),
        ("git@git.example.com:acme/stack.git", "https://git.example.com/acme/stack"),
        ("ssh://git@git.example.com/acme/stack", "https://git.example.com/acme/stack"),
        ("https://git.example.com:8443/acme/stack", "https://git.example.com:8443/acme/stack"),
        ("https://[2001:db8::7]:8443/acme/stack", "https://[2001:db8::7]:8443/acme/stack"),
        ("https://git.example.com:port/acme/stack", None),
        ("https://[git.example.com/acme/stack", None),
        ("/srv/git/stack.git", None),
        ("../stack", None),
        ("", None),
    ],
)
def test_a_git_remote_becomes_a_public_address_without_a_login(remote, url):
    """A token in a remote never reaches a registry."""
    assert as_public_url(remote) == url


def test_the_source_is_the_origin_of_the_folders_repository(tmp_path):
    """Or nothing, where there is no repository."""
    assert source_of(tmp_path / "nowhere") is None
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    subprocess.run(["git", "-C", tmp_path, "remote", "add", "origin", "git@git.example.com:acme/stack.git"], check=True)
    assert source_of(tmp_path) == "https://git.example.com/acme/stack"
