"""A certificate or key that can't be used is noticed by every command that needs it, before a server meets it."""

from __future__ import annotations

import json

import pytest

from tests.serving import free_port


@pytest.fixture
def local(stackgen, tmp_path):
    """A stack with a certificate of its own authority, for localhost."""
    stackgen("init", "s", "--yes", "--https-port", free_port())
    return tmp_path / "s"


def break_empty(certs):
    """The key is empty."""
    (certs / "privkey.pem").write_bytes(b"")


def break_swapped(certs):
    """Each has the other's name."""
    key, chain = (certs / "privkey.pem").read_bytes(), (certs / "fullchain.pem").read_bytes()
    (certs / "privkey.pem").write_bytes(chain)
    (certs / "fullchain.pem").write_bytes(key)


def break_damaged(certs):
    """The certificate is cut."""
    chain = (certs / "fullchain.pem").read_bytes()
    (certs / "fullchain.pem").write_bytes(chain[:300])


BROKEN = {break_empty: "privkey.pem is empty", break_swapped: "swapped", break_damaged: "fullchain.pem holds"}


@pytest.mark.parametrize("break_it", BROKEN)
def test_every_command_names_the_file_and_the_remedy(stackgen, local, break_it):
    """Nothing is served, nothing is overwritten; a rotation mends it, and the broken pair is kept."""
    break_it(local / "certs")
    before = (local / "certs/privkey.pem").read_bytes()
    for command in ("validate", "plan", "render", "serve"):
        told = stackgen(command, "s", code=1).stderr
        assert BROKEN[break_it] in told
        assert "stackgen rotate tls s" in told
    assert "stackgen rotate tls s" in stackgen("doctor", "s", code=1).stdout
    assert "stackgen rotate tls s" in stackgen("status", "s").stdout
    assert (local / "certs/privkey.pem").read_bytes() == before
    stackgen("rotate", "tls", "s")
    assert "is fine" in stackgen("validate", "s").stdout
    (kept,) = (local / "certs").glob("before-*/privkey.pem")
    assert kept.read_bytes() == before


@pytest.mark.parametrize("name", ["privkey.pem", "fullchain.pem"])
def test_a_lost_file_is_made_again_by_render(stackgen, local, name):
    """Plan says so, validate and serve name the command."""
    (local / "certs" / name).unlink()
    assert f"{name} is missing: stackgen render s" in stackgen("validate", "s").stderr
    assert "stackgen render s" in stackgen("serve", "s", code=1).stderr
    assert "would make a new certificate" in stackgen("plan", "s", code=2).stdout
    assert json.loads(stackgen("plan", "s", "--json", code=2).stdout)["certificate"].endswith("is missing")
    assert "made a new certificate" in stackgen("render", "s").stderr
    assert stackgen("plan", "s").stdout == "nothing to change\n"


def test_a_rotation_mends_a_lost_file_too(stackgen, local):
    """And can't be undone to half a pair."""
    (local / "certs/privkey.pem").unlink()
    stackgen("rotate", "tls", "s")
    assert "is fine" in stackgen("validate", "s").stdout
    assert "not whole" in stackgen("rotate", "tls", "s", "--undo", code=1).stderr


def test_a_certificate_of_one_s_own_names_the_file_to_replace(stackgen, local):
    """Not a rotation that would issue another one."""
    env = local / ".env"
    env.write_text(env.read_text().replace("TLS=local", "TLS=own"))
    break_empty(local / "certs")
    told = stackgen("validate", "s", code=1).stderr
    assert "s/certs/privkey.pem is empty" in told
    assert "into s/certs/privkey.pem" in told
    faults = json.loads(stackgen("validate", "s", "--json", code=1).stdout)["certificate"]
    assert [fault["file"] for fault in faults] == ["s/certs/privkey.pem"]
    (local / "certs/privkey.pem").unlink()
    assert "s/certs/privkey.pem: it is missing" in stackgen("status", "s").stdout
    assert "nothing to change" not in stackgen("plan", "s", code=1).stdout


def test_settings_are_checked_before_there_is_a_certificate(stackgen, tmp_path):
    """A .env alone is no stack yet."""
    (tmp_path / "new").mkdir()
    (tmp_path / "new/.env").write_text("SERVICE_DOMAIN=registry.example.com\n")
    assert "is fine" in stackgen("validate", "new").stdout
