"""Logins are found where docker, podman and their helpers keep them."""

from __future__ import annotations

import base64
import json

import pytest

from stackgen.distribution.logins import Login, find_login
from stackgen.errors import StackgenError

HOST = "registry.example.com:8443"


@pytest.fixture
def home(tmp_path):
    """An environment whose Docker configuration can be written with `home(…)`."""
    (tmp_path / "bin").mkdir()
    (tmp_path / ".docker").mkdir()

    def write(configuration):
        (tmp_path / ".docker" / "config.json").write_text(json.dumps(configuration))
        return {"HOME": str(tmp_path)}

    return write


@pytest.fixture
def helper(tmp_path, monkeypatch):
    """Puts a credential helper of that name on the PATH, with a body of shell."""

    def write(name, body):
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        program = folder / f"docker-credential-{name}"
        program.write_text(f"#!/bin/sh\nread host || true\n{body}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    return write


def encoded(text):
    """As `docker login` writes it."""
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("key", [HOST, f"https://{HOST}", f"https://{HOST}/v1/"])
def test_a_login_in_the_file_is_found_under_every_key_docker_used(home, key):
    """Old and new spellings of the key."""
    environ = home({"auths": {key: {"auth": encoded("alice:pass:with:colons ")}}})
    assert find_login(HOST, environ=environ) == Login(user="alice", password="pass:with:colons ")


def test_the_hub_has_a_key_of_its_own(home):
    """docker.io's login lies under its old API's address."""
    environ = home({"auths": {"https://index.docker.io/v1/": {"auth": encoded("a:b")}}})
    assert find_login("docker.io", environ=environ) == Login(user="a", password="b")


def test_no_file_and_no_entry_mean_no_login(home, tmp_path):
    """Nothing is guessed from another host's login."""
    assert find_login(HOST, environ={"HOME": str(tmp_path / "nobody")}) is None
    assert find_login(HOST, environ=home({"auths": {"other.example.com": {"auth": encoded("a:b")}}})) is None


def test_a_helper_for_the_host_goes_before_the_store_and_the_file(home, helper):
    """Docker's order."""
    helper("mine", """[ "$host" = "" ] || :; printf '{"Username":"bob","Secret":"from helper"}'""")
    environ = home({
        "credHelpers": {HOST: "mine"}, "credsStore": "absent", "auths": {HOST: {"auth": encoded("alice:file")}},
    })  # fmt: skip
    assert find_login(HOST, environ=environ) == Login(user="bob", password="from helper")


def test_a_store_that_knows_nothing_leaves_it_to_the_file(home, helper):
    """The words "credentials not found" are an answer, not a failure."""
    helper("store", "echo 'credentials not found in native keychain'; exit 1")
    environ = home({"credsStore": "store", "auths": {HOST: {"auth": encoded("alice:file")}}})
    assert find_login(HOST, environ=environ) == Login(user="alice", password="file")


def test_an_identity_token_is_recognised(home, helper):
    """Helpers mark it by the user name <token>."""
    helper("store", """printf '{"Username":"<token>","Secret":"long-lived"}'""")
    assert find_login(HOST, environ=home({"credsStore": "store"})) == Login(identity_token="long-lived")
    environ = home({"auths": {HOST: {"auth": encoded("a:"), "identitytoken": "in file"}}})
    assert find_login(HOST, environ=environ) == Login(identity_token="in file")


def test_podmans_file_is_read_where_docker_knows_nothing(home, tmp_path):
    """REGISTRY_AUTH_FILE, as podman and skopeo use it."""
    (tmp_path / "auth.json").write_text(json.dumps({"auths": {HOST: {"auth": encoded("p:q")}}}))
    environ = home({}) | {"REGISTRY_AUTH_FILE": str(tmp_path / "auth.json")}
    assert find_login(HOST, environ=environ) == Login(user="p", password="q")


@pytest.mark.parametrize(
    ("configuration", "words"),
    [
        ({"credsStore": "absent"}, "not on the PATH"),
        ({"auths": {HOST: {"auth": "?"}}}, "can't be decoded"),
        ([], "not a JSON object"),
    ],
)
def test_a_broken_configuration_is_named_with_a_remedy(home, configuration, words):
    """The person learns which file or program is at fault."""
    with pytest.raises(StackgenError, match=words) as caught:
        find_login(HOST, environ=home(configuration))
    assert caught.value.hint


def test_a_helper_that_fails_is_quoted(home, helper):
    """Its own words reach the person."""
    helper("broken", "echo 'the keyring is locked' >&2; exit 1")
    with pytest.raises(StackgenError, match="the keyring is locked"):
        find_login(HOST, environ=home({"credsStore": "broken"}))


def test_a_login_never_shows_itself():
    """Tracebacks and logs print reprs."""
    assert "secret" not in repr(Login(user="u", password="secret", identity_token="secret"))
