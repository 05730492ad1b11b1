"""`registry init-stack` makes what a published stack lacks, and keeps what is there."""

from __future__ import annotations

import datetime as dt
import os

import bcrypt
import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from registry_app import issuing
from registry_app.cli.init_stack import command

NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)


@pytest.fixture
def root(tmp_path):
    """The one-shot container's folders as volumes begin, and one file of configuration."""
    for name in ("config", "certs", "secrets", "keep", "profile-secrets", "incoming/nginx"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "incoming/nginx/nginx.conf").write_text("events {}\n")
    return tmp_path


def init_stack(root, *arguments, host="registry.example.com"):
    """The command's result."""
    return CliRunner().invoke(command, ["--host", host, "--root", str(root), *arguments])


def contents(root):
    """Every file with its bytes."""
    return {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def leaf(root):
    """The certificate that nginx would serve."""
    return x509.load_pem_x509_certificate((root / "certs/fullchain.pem").read_bytes())


def test_an_empty_stack_gets_everything_that_it_needs(root):
    """Configuration, certificate for the host, secrets and a user whose password is kept apart."""
    result = init_stack(root, "--profile-secret", "grafana-secrets/admin_password")
    assert result.exit_code == 0, result.output
    assert (root / "config/nginx/nginx.conf").read_text() == "events {}\n"
    assert issuing.covers(leaf(root), "registry.example.com")
    assert issuing.is_pair(leaf(root), (root / "certs/privkey.pem").read_bytes())
    user, _, hashed = (root / "secrets/htpasswd").read_text().strip().partition(":")
    password = (root / "keep/admin_password").read_bytes().strip()
    assert user == "admin"
    assert bcrypt.checkpw(password, hashed.encode())
    assert (root / "profile-secrets/grafana-secrets/admin_password").read_text().strip()
    assert password.decode() not in result.output


def test_private_things_are_private(root):
    """The password and the authority's key are the owner's alone; keys and secrets are the group's too."""
    init_stack(root)
    modes = {path.name: path.stat().st_mode & 0o777 for path in root.rglob("*") if path.is_file()}
    assert {modes["admin_password"], modes["ca.key"]} == {0o600}
    assert {modes["privkey.pem"], modes["http_secret"], modes["htpasswd"], modes["access.yaml"]} == {0o640}


def test_a_second_start_changes_nothing(root):
    """`up` runs it every time."""
    init_stack(root)
    before = contents(root)
    result = init_stack(root)
    assert contents(root) == before
    assert "nothing to make" in result.output


def test_configuration_follows_the_artifact(root):
    """An updated stack brings new files, changes others and takes some away."""
    init_stack(root)
    (root / "incoming/nginx/nginx.conf").unlink()
    (root / "incoming/prometheus").mkdir()
    (root / "incoming/prometheus/prometheus.yml").write_text("new")
    init_stack(root)
    assert [str(path) for path in contents(root / "config")] == ["prometheus/prometheus.yml"]


def test_another_host_gets_another_certificate_of_the_same_authority(root):
    """Clients that trust the CA go on trusting it."""
    init_stack(root)
    authority = (root / "certs/ca.crt").read_bytes()
    init_stack(root, host="192.0.2.7")
    assert issuing.covers(leaf(root), "192.0.2.7")
    assert (root / "certs/ca.crt").read_bytes() == authority


def test_a_certificate_that_was_given_is_kept(root):
    """Whoever mounts a folder of certificates has the last word."""
    given = issuing.issue(
        issuing.make_authority(now=dt.datetime.now(dt.UTC)), ["*.example.com"], now=dt.datetime.now(dt.UTC)
    )
    (root / "certs/fullchain.pem").write_bytes(given.certificate_pem)
    (root / "certs/privkey.pem").write_bytes(given.key_pem)
    assert init_stack(root).exit_code == 0
    assert leaf(root) == given.certificate


def test_a_given_certificate_for_another_host_is_named(root):
    """Starting with it would fail every client."""
    given = issuing.issue(issuing.make_authority(now=NOW), ["other.example.org"], now=NOW)
    (root / "certs/fullchain.pem").write_bytes(given.certificate_pem)
    (root / "certs/privkey.pem").write_bytes(given.key_pem)
    result = init_stack(root)
    assert result.exit_code == 1
    assert "other.example.org, not for registry.example.com" in result.output


def given_pair(host="registry.example.com"):
    """A certificate of somebody's own, and its key."""
    now = dt.datetime.now(dt.UTC)
    return issuing.issue(issuing.make_authority(now=now), [host], now=now)


@pytest.mark.parametrize(("there", "missing"), [("fullchain.pem", "privkey.pem"), ("privkey.pem", "fullchain.pem")])
@pytest.mark.parametrize("started_before", [False, True])
def test_half_of_a_given_pair_is_kept_and_the_other_asked_for(root, there, missing, started_before):
    """A key in CERTS_DIR may be the only copy that somebody has."""
    if started_before:
        init_stack(root)
        for path in (root / "certs").iterdir():
            path.unlink()
    pair = given_pair()
    half = {"fullchain.pem": pair.certificate_pem, "privkey.pem": pair.key_pem}[there]
    (root / "certs" / there).write_bytes(half)
    before = contents(root / "certs")
    refused = init_stack(root)
    assert refused.exit_code == 1
    assert f"CERTS_DIR holds {there} and no {missing}" in refused.output
    assert contents(root / "certs") == before


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (given_pair().key_pem, "privkey.pem in CERTS_DIR is not the key of fullchain.pem"),
        (b"no key", "privkey.pem in CERTS_DIR is no PEM key"),
        (
            given_pair().key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(b"secret"),
            ),
            "has a passphrase",
        ),
    ],
    ids=["another", "none", "encrypted"],
)
def test_a_given_key_that_does_not_fit_is_named(root, key, words):
    """The log of nginx alone would say so."""
    (root / "certs/fullchain.pem").write_bytes(given_pair().certificate_pem)
    (root / "certs/privkey.pem").write_bytes(key)
    refused = init_stack(root)
    assert refused.exit_code == 1
    assert words in " ".join(refused.output.split())
    assert (root / "certs/privkey.pem").read_bytes() == key


def test_a_given_key_that_nginx_may_not_read_is_named(root):
    """Nginx runs as another user, of the same group."""
    pair = given_pair()
    (root / "certs/fullchain.pem").write_bytes(pair.certificate_pem)
    (root / "certs/privkey.pem").write_bytes(pair.key_pem)
    (root / "certs/privkey.pem").chmod(0o600)
    refused = init_stack(root)
    assert refused.exit_code == 1
    assert f"chgrp {os.getgid()} and chmod g+r" in refused.output
    (root / "certs/privkey.pem").chmod(0o640)
    assert init_stack(root).exit_code == 0


def test_a_given_file_that_is_no_certificate_is_named(root):
    """By its name, with what to do."""
    (root / "certs/fullchain.pem").write_bytes(b"no certificate")
    (root / "certs/privkey.pem").write_bytes(given_pair().key_pem)
    refused = init_stack(root)
    assert refused.exit_code == 1
    assert "fullchain.pem holds no certificate" in refused.output


@pytest.mark.parametrize("lost", ["fullchain.pem", "privkey.pem"])
def test_what_a_crash_left_of_our_own_pair_is_made_whole(root, lost):
    """The key is written before the certificate; each appears whole."""
    init_stack(root)
    (root / "certs" / lost).unlink()
    assert init_stack(root).exit_code == 0
    assert issuing.is_pair(leaf(root), (root / "certs/privkey.pem").read_bytes())


def test_a_renewal_that_was_cut_is_finished_whatever_env_says_by_then(root):
    """The key was new, the certificate old, and SERVICE_DOMAIN is back to what it was."""
    init_stack(root)
    old = (root / "certs/fullchain.pem").read_bytes()
    init_stack(root, host="192.0.2.7")
    (root / "certs/fullchain.pem").write_bytes(old)
    assert init_stack(root).exit_code == 0
    assert issuing.is_pair(leaf(root), (root / "certs/privkey.pem").read_bytes())


def test_users_that_were_given_are_kept(root):
    """No first user beside them."""
    (root / "secrets/htpasswd").write_text("alice:$2y$10$abc\n")
    init_stack(root)
    assert (root / "secrets/htpasswd").read_text() == "alice:$2y$10$abc\n"
    assert not (root / "keep/admin_password").exists()


def test_a_wrong_registry_version_is_refused_before_anything_is_written(root):
    """REGISTRY_VERSION in .env pins: a moved tag does not upgrade in silence."""
    before = contents(root)
    result = init_stack(root, "--published-version", "2.0", "--asked-version", "1.0")
    assert result.exit_code == 1
    assert "this stack is 2.0" in result.output
    assert contents(root) == before


def test_the_same_version_or_none_is_let_through(root):
    """The variable may be left out."""
    assert init_stack(root, "--published-version", "2.0", "--asked-version", "2.0").exit_code == 0
    assert init_stack(root, "--published-version", "2.0", "--asked-version", "").exit_code == 0


def test_our_certificate_is_renewed_before_it_ends(root):
    """A start within its last 30 days issues another."""
    now = dt.datetime.now(dt.UTC)
    init_stack(root)
    old = issuing.load_authority(
        certificate=(root / "keep/ca.crt").read_bytes(), key=(root / "keep/ca.key").read_bytes()
    )
    ending = issuing.issue(old, ["registry.example.com"], now=now - issuing.LEAF_LIFE + dt.timedelta(days=10))
    (root / "certs/fullchain.pem").write_bytes(ending.certificate_pem)
    (root / "certs/privkey.pem").write_bytes(ending.key_pem)
    said = init_stack(root, "--project", "acme").output
    assert leaf(root).not_valid_after_utc - now > dt.timedelta(days=300)
    assert "docker compose -p acme restart nginx" in said


def test_an_ipv6_address_comes_in_brackets_and_gets_its_certificate(root):
    """It stands in URLs of the configuration as it is written in .env."""
    assert init_stack(root, host="[2001:db8::7]").exit_code == 0
    assert issuing.covers(leaf(root), "2001:db8::7")


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("2001:db8::7", "write SERVICE_DOMAIN=[2001:db8::7]"),
        ("https://registry.example.com", "leave out scheme, port and path"),
        ("registry.example.com:5000", "leave out scheme, port and path"),
        ("[registry.example.com]", "leave out scheme, port and path"),
        ("registry.example.com/v2", "no host name"),
        ("my registry", "no host name"),
        ("a;b", "no host name"),
        ("registry.example.com.", "no host name"),
        ("", "no host name"),
    ],
)
def test_a_host_that_would_not_work_is_refused_before_anything_is_written(root, host, words):
    """With what to write instead."""
    before = contents(root)
    refused = init_stack(root, host=host)
    assert refused.exit_code == 1
    assert words in refused.output
    assert contents(root) == before


@pytest.mark.parametrize("user", ["a:b", "", " ", "a\nb", "-x"])
def test_a_first_user_who_could_never_log_in_is_refused_before_anything_is_written(root, user):
    """What is once in the volume stays there."""
    before = contents(root)
    refused = init_stack(root, "--user", user)
    assert refused.exit_code == 1
    assert "REGISTRY_ADMIN_USER" in refused.output
    assert contents(root) == before


@pytest.mark.parametrize("name", ["STORAGE_DIR", "CERTS_DIR", "SECRETS_DIR"])
@pytest.mark.parametrize("folder", ["./images", "../images", "."])
def test_a_relative_folder_is_refused_before_anything_is_written(root, name, folder):
    """Compose would start it in its cache of artifacts: an update would begin with an empty registry."""
    before = contents(root)
    refused = CliRunner().invoke(command, ["--host", "localhost", "--root", str(root)], env={name: folder})
    assert refused.exit_code == 1
    assert f"{name}={folder} would lie in a cache of Compose's" in refused.output
    assert contents(root) == before


def test_capitals_mean_the_same_host(root):
    """A certificate for localhost is for the addresses of loopback, too."""
    assert init_stack(root, host="LOCALHOST").exit_code == 0
    assert issuing.covers(leaf(root), "127.0.0.1")


def test_an_absolute_folder_is_taken(root):
    """As documented."""
    started = CliRunner().invoke(command, ["--host", "localhost", "--root", str(root)], env={"STORAGE_DIR": "/srv/a"})
    assert started.exit_code == 0, started.output
