"""`publish`, `verify` and `pin` against a real registry, as they are typed."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys

import pytest
import yaml

from registry_app.oci.digests import Digest
from registry_app.oci.names import Repository
from stackgen.distribution.addresses import parse_oci_address
from stackgen.distribution.blobs import blob_of
from stackgen.folder import StackFolder
from stackgen.pins import format_lock, images_of
from stackgen.profiles import load_profiles
from stackgen.publishing.artifact import parse_artifact

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
NGINX = "library/nginx"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A stack as `init` makes it, to be copied."""
    root = tmp_path_factory.mktemp("made") / "mystack"
    command = [sys.executable, "-m", "stackgen", "init", root, "--domain", "registry.example.com", "--yes"]
    subprocess.run(command, check=True, capture_output=True)
    return root


@pytest.fixture
def folder(made, tmp_path):
    """A stack of the test's own."""
    return StackFolder(shutil.copytree(made, tmp_path / "mystack", symlinks=True))


@pytest.fixture(autouse=True)
def logged_in(monkeypatch, tmp_path, plain_registry, tls_registry):
    """As `docker login` leaves it."""
    config = tmp_path / "docker"
    config.mkdir()
    auth = base64.b64encode(f"{plain_registry.login.user}:{plain_registry.login.password}".encode()).decode()
    hosts = {host: {"auth": auth} for host in (plain_registry.host, tls_registry.host)}
    (config / "config.json").write_text(json.dumps({"auths": hosts}))
    monkeypatch.setenv("DOCKER_CONFIG", str(config))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")


def push_image(registry, name, content):
    """A small image under host/name; gives the reference by digest."""
    client, repository = registry.client(), Repository.parse(name)
    config = blob_of(content, media_type="application/vnd.oci.image.config.v1+json")
    client.push_blob(repository, config)
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config.descriptor(), "layers": []}
    digest = client.push_manifest(repository, "1.0", json.dumps(manifest).encode(), media_type=MANIFEST)
    return f"{registry.host}/{name}:1.0@{digest}"


def pin_everything(folder):
    """A lock file with some digest for every image, as a pin against reachable registries would write it."""
    pins = {image: str(Digest.of(image.encode())) for image in images_of(load_profiles())}
    folder.images_lock.write_text(format_lock(pins))


def with_registry_image(folder, reference):
    """REGISTRY_IMAGE in .env."""
    with folder.env.open("a") as env:
        env.write(f"REGISTRY_IMAGE={reference}\n")


@pytest.fixture
def ready(folder, plain_registry):
    """A stack whose images are all pinned, the registry's own lying in the registry it is published to."""
    pin_everything(folder)
    with_registry_image(folder, push_image(plain_registry, "acme/registry", b'{"a":1}'))
    return folder


def read_published(registry, tag="1.0"):
    """(digest, Compose project) under a tag, read through digests alone."""
    client = registry.client()
    manifest = client.read_manifest(parse_oci_address(f"oci://{registry.host}/acme/stack:{tag}"))
    layer, _ = parse_artifact(manifest.body)
    content = client.read_blob(Repository.parse("acme/stack"), layer.digest, size=layer.size)
    return manifest.digest, yaml.safe_load(content)


def test_what_is_published_verifies_and_names_every_image_by_digest(stackgen, ready, plain_registry):
    """The artifact lies in the registry, and `verify` shows what would run."""
    address = f"oci://{plain_registry.host}/acme/stack:1.0"
    said = stackgen("publish", address, ready.root, "--plain-http").stdout
    digest, project = read_published(plain_registry)
    assert f"published {plain_registry.host}/acme/stack:1.0@{digest}" in said
    assert all("@sha256:" in service["image"] for service in project["services"].values())
    shown = stackgen("verify", address, "--plain-http").stdout
    assert "must be set SERVICE_DOMAIN" in shown
    assert "checked" in shown


def test_publishing_twice_gives_the_same_digest(stackgen, ready, plain_registry):
    """With SOURCE_DATE_EPOCH, byte for byte."""
    address = f"oci://{plain_registry.host}/acme/stack:twice"
    first = stackgen("publish", address, ready.root, "--plain-http").stdout
    assert stackgen("publish", address, ready.root, "--plain-http").stdout == first


def test_without_a_tag_it_is_the_latest(stackgen, ready, plain_registry):
    """For `verify` and Compose, which read so, too; a digest can't be chosen."""
    address = f"oci://{plain_registry.host}/acme/untagged"
    assert ":latest@sha256:" in stackgen("publish", address, ready.root, "--plain-http").stdout
    stackgen("verify", address, "--plain-http")
    chosen = f"{address}:1@sha256:{'ab' * 32}"
    assert "can't be chosen" in stackgen("publish", chosen, ready.root, "--plain-http", code=1).stderr


@pytest.mark.parametrize("version", ["1\nname: other", "1.0 beta", "${HOME}", "1'", "x" * 129])
def test_a_version_that_could_not_be_compared_is_refused(stackgen, ready, plain_registry, version):
    """Before anything is sent; as it is, it would stand in the Compose file and in a consumer's .env."""
    address = f"oci://{plain_registry.host}/acme/versions:1"
    said = stackgen("publish", address, ready.root, "--plain-http", "--version", version, code=1).stderr
    assert "--version 1.0.0" in said
    assert plain_registry.client().resolve(parse_oci_address(address)) is None


def test_tls_is_checked_against_the_given_authority(stackgen, ready, tls_registry):
    """Refused without --ca, published with it."""
    address = f"oci://{tls_registry.host}/acme/stack:1.0"
    assert "--ca" in stackgen("publish", address, ready.root, code=1).stderr
    stackgen("publish", address, ready.root, "--ca", tls_registry.ca)


@pytest.mark.parametrize("key", ["credHelpers", "credsStore"])
def test_a_credential_helper_is_asked_for_the_login(stackgen, ready, plain_registry, tmp_path, monkeypatch, key):
    """As docker asks it; a helper that knows another password is refused by the registry."""
    secret = tmp_path / "secret"
    login = {"ServerURL": plain_registry.host, "Username": plain_registry.login.user}
    helper = tmp_path / "docker-credential-vault"
    helper.write_text(f'#!/bin/sh\n[ "$1" = get ] && [ "$(cat)" = {plain_registry.host} ] && cat {secret}\n')
    helper.chmod(0o755)
    chosen = {plain_registry.host: "vault"} if key == "credHelpers" else "vault"
    (tmp_path / "docker/config.json").write_text(json.dumps({key: chosen}))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    address = f"oci://{plain_registry.host}/acme/helped:{key.lower()}"
    secret.write_text(json.dumps(login | {"Secret": "not it"}))
    assert "docker login" in stackgen("publish", address, ready.root, "--plain-http", code=1).stderr
    secret.write_text(json.dumps(login | {"Secret": plain_registry.login.password}))
    assert "published" in stackgen("publish", address, ready.root, "--plain-http").stdout


def test_without_a_registry_image_by_digest_it_says_what_to_do(stackgen, folder, plain_registry):
    """Plainly, before anything is sent."""
    pin_everything(folder)
    said = stackgen("publish", f"oci://{plain_registry.host}/acme/none:1", folder.root, "--plain-http", code=1).stderr
    assert "--with-image" in said
    assert "REGISTRY_IMAGE=" in said
    assert plain_registry.client().resolve(parse_oci_address(f"oci://{plain_registry.host}/acme/none:1")) is None


def test_images_without_a_digest_are_all_named(stackgen, folder, plain_registry):
    """Unless tags are allowed, for trying out."""
    with_registry_image(folder, push_image(plain_registry, "acme/registry", b"{}"))
    address = f"oci://{plain_registry.host}/acme/loose:1"
    assert "nginx:1.30" in stackgen("publish", address, folder.root, "--plain-http", code=1).stderr
    stackgen("publish", address, folder.root, "--plain-http", "--allow-tags")
    assert "not pinned by digest: nginx:1.30" in stackgen("verify", address, "--plain-http", code=1).stderr


def test_a_dry_run_prints_the_file_and_sends_nothing(stackgen, ready, plain_registry):
    """To be read before it is published."""
    address = f"oci://{plain_registry.host}/acme/dry:1"
    printed = stackgen("publish", address, ready.root, "--plain-http", "--dry-run").stdout
    assert "init" in yaml.safe_load(printed)["services"]
    assert plain_registry.client().resolve(parse_oci_address(address)) is None


def test_verify_notices_an_image_that_is_gone(stackgen, folder, plain_registry):
    """A digest that its registry no longer has."""
    pin_everything(folder)
    gone = Digest.of(b"never pushed")
    with_registry_image(folder, f"{plain_registry.host}/acme/registry@{gone}")
    address = f"oci://{plain_registry.host}/acme/gone:1"
    stackgen("publish", address, folder.root, "--plain-http")
    assert f"{gone} is not there" in stackgen("verify", address, "--plain-http", code=1).stderr


def test_verify_notices_a_changed_layer(stackgen, ready, plain_registry):
    """Whoever can write the registry's disk can't change what a digest means."""
    address = f"oci://{plain_registry.host}/acme/forged:1"
    stackgen("publish", address, ready.root, "--plain-http")
    manifest = plain_registry.client().read_manifest(parse_oci_address(address))
    layer, _ = parse_artifact(manifest.body)
    data = plain_registry.root / f"docker/registry/v2/blobs/sha256/{layer.digest.hex[:2]}/{layer.digest.hex}/data"
    original = data.read_bytes()
    try:
        data.write_bytes(original.replace(b"read_only: true", b"read_only: fals"))
        assert "has the digest" in stackgen("verify", address, "--plain-http", code=1).stderr
    finally:
        data.write_bytes(original)


def test_verify_refuses_what_is_no_stack(stackgen, plain_registry):
    """An ordinary image, say."""
    push_image(plain_registry, "acme/image", b"{}")
    said = stackgen("verify", f"oci://{plain_registry.host}/acme/image:1.0", "--plain-http", code=1).stderr
    assert "not a stack" in said


def test_pin_asks_a_mirror_writes_the_lock_and_check_tells_what_is_behind(stackgen, folder, plain_registry):
    """Exit code 2 while something is behind, 0 when all is as locked."""
    arguments = ["--image", "nginx:1.30", "--mirror", plain_registry.host, "--plain-http"]
    repository = Repository.parse(NGINX)
    reference = push_image(plain_registry, NGINX, b'{"version":1}')
    manifest = plain_registry.client().read_manifest(parse_oci_address(f"oci://{reference}"))
    plain_registry.client().push_manifest(repository, "1.30", manifest.body, media_type=MANIFEST)
    stackgen("pin", folder.root, *arguments, "--check", code=2)
    assert not folder.images_lock.exists()
    said = stackgen("pin", folder.root, *arguments).stdout
    assert f"stackgen render {folder.root}\n" in said
    assert f"cd {folder.root} && docker compose up -d --wait" in said
    assert json.loads(folder.images_lock.read_text())["images"] == {"nginx:1.30": str(manifest.digest)}
    stackgen("pin", folder.root, *arguments, "--check")
    stackgen("plan", folder.root, code=2)
    push_image(plain_registry, NGINX, b'{"version":2}')
    moved = plain_registry.client().read_manifest(parse_oci_address(f"oci://{plain_registry.host}/{NGINX}:1.0"))
    plain_registry.client().push_manifest(repository, "1.30", moved.body, media_type=MANIFEST)
    said = stackgen("pin", folder.root, *arguments, "--check", code=2).stdout
    assert f"{moved.digest}  was {manifest.digest}" in said
    assert json.loads(folder.images_lock.read_text())["images"] == {"nginx:1.30": str(manifest.digest)}


def test_pin_changes_nothing_where_an_image_can_not_be_found(stackgen, folder, plain_registry):
    """And names each of them."""
    pin_everything(folder)
    before = folder.images_lock.read_bytes()
    arguments = ["--image", "python:3.13-slim-trixie", "--mirror", plain_registry.host, "--plain-http"]
    assert "python:3.13-slim-trixie" in stackgen("pin", folder.root, *arguments, code=1).stderr
    assert folder.images_lock.read_bytes() == before
