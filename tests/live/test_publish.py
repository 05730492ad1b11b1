"""A stack is published to a registry of ours over TLS, and somebody runs it from nothing but an `.env`."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from stackgen.folder import StackFolder
from stackgen.pins import format_lock, images_of
from stackgen.profiles import load_profiles
from tests.live.consumer import Consumer, trust_of
from tests.live.engine import daemon, debian
from tests.live.sample import sample_image
from tests.live.stack import LiveStack, init_stack, succeed
from tests.stackgen.peer import running

pytestmark = pytest.mark.live

REPOSITORY = "acme/stack"


@dataclass(frozen=True)
class Published:
    """One publication."""

    address: str
    digest: str
    registry_image: str

    @property
    def tagged(self) -> str:
        return f"oci://{self.address}"

    @property
    def pinned(self) -> str:
        return f"oci://{self.address.rpartition(':')[0]}@{self.digest}"


@pytest.fixture(scope="module")
def pins(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Every image of the templates by digest, all pullable: from their registries, else stand-ins from a mirror."""
    folder = tmp_path_factory.mktemp("pins")
    stack = init_stack(folder / "pinned").folder
    # Not Python's: it is built upon, never run, and so no artifact names it.
    wanted = [image for image in images_of(load_profiles()) if not image.startswith("python:")]
    command = [sys.executable, "-m", "stackgen", "pin", stack]
    direct = subprocess.run([*command, *_only(wanted)], capture_output=True, text=True, timeout=120, check=False)
    with ExitStack() as cleanup:
        if direct.returncode != 0:
            mirror = cleanup.enter_context(running(folder, tls=None, users=False)).host
            missing = _fill(mirror, wanted, cleanup)
            sys.stderr.write(f"\npublish: stand-ins from a mirror; checked statically only: {', '.join(missing)}\n")
            daemon.set_mirror(f"http://{mirror}")
            cleanup.callback(daemon.set_mirror, None)
            held = [image for image in wanted if image not in missing]
            succeed([*command, *_only(held), "--mirror", mirror, "--plain-http"], within=60)
            _pin_absent(StackFolder(stack), missing)
        yield json.loads(StackFolder(stack).images_lock.read_text())["images"]


def _only(images: list[str]) -> list[str]:
    return [word for image in images for word in ("--image", image)]


def _fill(mirror: str, images: list[str], cleanup: ExitStack) -> list[str]:
    """Pushes the engine's stand-ins into a mirror under their names of Docker Hub; the images that it lacks."""
    missing = []
    for image in images:
        name = image if "/" in image else f"library/{image}"
        if subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False).returncode != 0:
            missing.append(image)
            continue
        target = f"{mirror}/{name}"
        succeed(["docker", "tag", image, target], within=20)
        cleanup.callback(subprocess.run, ["docker", "image", "rm", "--no-prune", target], capture_output=True)
        succeed(["docker", "push", "--quiet", target], within=120)
    return missing


def _pin_absent(folder: StackFolder, missing: list[str]) -> None:
    """Images that can't be had here carry the digest of another one: they are named in the artifact, and never run."""
    locked = json.loads(folder.images_lock.read_text())["images"]
    folder.images_lock.write_text(format_lock(locked | dict.fromkeys(missing, next(iter(locked.values())))))


@pytest.fixture(scope="module")
def publisher(stack: LiveStack, pins: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> LiveStack:
    """Somebody with a stack folder of their own, pinned, its image built (for `stack`), and logged in at our registry."""
    made = init_stack(tmp_path_factory.mktemp("publisher") / "stack")
    StackFolder(made.folder).images_lock.write_text(format_lock(pins))
    succeed([sys.executable, "-m", "stackgen", "render", made.folder], within=60)
    made.docker("login", "--username", stack.user, "--password-stdin", stack.authority, stdin=stack.password)
    return made


def publish(publisher: LiveStack, stack: LiveStack, tag: str, *options: str) -> Published:
    """`stackgen publish` as it is typed."""
    address = f"{stack.authority}/{REPOSITORY}:{tag}"
    command = [sys.executable, "-m", "stackgen", "publish", f"oci://{address}", publisher.folder]
    done = run_with_cosign([*command, "--ca", stack.certificate, *options], publisher)
    assert done.returncode == 0, done.stderr
    digest, image = re.search(r"published \S+@(sha256:\w+)\nregistry image (\S+)", done.stdout).groups()
    return Published(address, digest, image)


def run_with_cosign(command: Sequence[str | Path], publisher: LiveStack) -> subprocess.CompletedProcess[str]:
    """A command of the publisher's, who has cosign of Debian sid on the PATH."""
    cosign = debian.unpack("cosign", "sid") / "usr" / "bin"
    environment = publisher._environment() | {"COSIGN_PASSWORD": "quite secret"}
    environment["PATH"] = f"{cosign}:{environment['PATH']}"
    words = [str(word) for word in command]
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=180, check=False)


@pytest.fixture(scope="module")
def keys(publisher: LiveStack, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A key pair of the publisher's, and one of somebody else: where cosign.key and cosign.pub lie."""
    folders = []
    for name in ("ours", "theirs"):
        folder = tmp_path_factory.mktemp(name)
        made = run_with_cosign(["env", "--chdir", folder, "cosign", "generate-key-pair"], publisher)
        assert made.returncode == 0, made.stderr
        folders.append(folder)
    return folders[0], folders[1]


@pytest.fixture(scope="module")
def first(publisher: LiveStack, stack: LiveStack) -> Published:
    """Version 1.0, its image pushed along."""
    return publish(publisher, stack, "1.0", "--with-image")


@pytest.fixture(scope="module")
def second(publisher: LiveStack, stack: LiveStack, first: Published, keys: tuple[Path, Path]) -> Published:
    """Version 1.1: the same image by digest, another configuration, signed."""
    with (publisher.folder / ".env").open("a") as env:
        env.write(f"REGISTRY_IMAGE={first.registry_image}\nLOG_LEVEL=debug\n")
    return publish(publisher, stack, "1.1", "--sign", str(keys[0] / "cosign.key"))


@pytest.fixture(scope="module")
def consumer(stack: LiveStack, publisher: LiveStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consumer]:
    """An empty folder, a login, and nothing else; what it started is gone at the end, volumes included."""
    folder = tmp_path_factory.mktemp("consumer")
    (folder / "empty").mkdir()
    plugins = Path(os.environ.get("DOCKER_CONFIG", Path.home() / ".docker")) / "cli-plugins"
    if plugins.is_dir():
        (publisher.user_config / "cli-plugins").symlink_to(plugins)
    # Docker's own configuration may name proxies for containers, as behind a company's gateway: none may notice.
    configured = json.loads((publisher.user_config / "config.json").read_text())
    nowhere = {f"{kind}Proxy": "http://127.0.0.1:9" for kind in ("http", "https", "all")}
    (publisher.user_config / "config.json").write_text(json.dumps(configured | {"proxies": {"default": nowhere}}))
    live = LiveStack(folder / "empty", "", publisher.user_config)
    one = Consumer(live, "acme-consumer", trust_of(stack.certificate, target=folder / "trust.pem"))
    try:
        yield one
    finally:
        one.down("--volumes", "--remove-orphans")


def settings_of(consumer: Consumer, version: str) -> dict[str, str]:
    """The three lines; and ports, where this machine's own 443 and 80 are taken."""
    three = {"COMPOSE_PROJECT_NAME": consumer.project, "SERVICE_DOMAIN": "localhost", "REGISTRY_VERSION": version}
    if _free(443) and _free(80):
        return three
    ports = {}
    with ExitStack() as held:
        for name in ("HTTPS_PORT", "HTTP_PORT"):
            probe = held.enter_context(closing(socket.socket()))
            probe.bind(("127.0.0.1", 0))
            ports[name] = str(probe.getsockname()[1])
    return three | ports


def _free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.fixture(scope="module")
def started(consumer: Consumer, first: Published) -> Consumer:
    """Version 1.0 runs at the consumer's, who has logged in there."""
    consumer.write_env(**settings_of(consumer, "1.0"))
    consumer.up(first.tagged)
    consumer.fetch_first_secrets()
    consumer.live.login()
    return consumer


def test_the_artifact_is_what_we_say(first: Published, publisher: LiveStack, stack: LiveStack) -> None:
    """Oras fetches a manifest with one Compose layer, annotations, and the digest that was printed."""
    oras = debian.unpack("oras", "sid") / "usr" / "bin" / "oras"
    command = [
        str(oras),
        "manifest",
        "fetch",
        "--plain-http=false",
        "--ca-file",
        str(stack.certificate),
        f"{first.address}",
    ]
    config = publisher.user_config / "config.json"
    manifest = json.loads(succeed([*command, "--registry-config", config], within=60).stdout)
    described = succeed([*command, "--descriptor", "--registry-config", config], within=60).stdout
    assert json.loads(described)["digest"] == first.digest
    assert manifest["artifactType"] == "application/vnd.docker.compose.project"
    assert [layer["mediaType"] for layer in manifest["layers"]] == ["application/vnd.docker.compose.file+yaml"]
    assert manifest["annotations"]["org.opencontainers.image.version"] == "1.0"


def test_verify_finds_every_image(first: Published, publisher: LiveStack, stack: LiveStack) -> None:
    """As a consumer would before running it."""
    done = subprocess.run(
        [sys.executable, "-m", "stackgen", "verify", first.tagged, "--ca", stack.certificate, "--json"],
        env=publisher._environment(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert first.registry_image in seen["present"]
    assert seen["required"] == ["SERVICE_DOMAIN"]


def test_a_signature_is_checked(
    first: Published, second: Published, publisher: LiveStack, stack: LiveStack, keys: tuple[Path, Path]
) -> None:
    """Signed by our key: yes; by another key, or not at all: no."""
    verify = [sys.executable, "-m", "stackgen", "verify", "--ca", stack.certificate, "--key"]
    ours, theirs = (folder / "cosign.pub" for folder in keys)
    signed = run_with_cosign([*verify, ours, second.tagged], publisher)
    assert signed.returncode == 0, signed.stderr
    for key, artifact in ((theirs, second), (ours, first)):
        refused = run_with_cosign([*verify, key, artifact.tagged], publisher)
        assert refused.returncode == 1
        assert "cosign did not verify" in refused.stderr


def test_a_missing_variable_is_named(consumer: Consumer, first: Published) -> None:
    """Compose says which line `.env` lacks, and starts nothing."""
    consumer.write_env(COMPOSE_PROJECT_NAME=consumer.project)
    refused = consumer.try_compose("-f", first.tagged, "--env-file", ".env", "up", "-d", "--wait", "-y")
    assert refused.returncode != 0
    assert "required variable SERVICE_DOMAIN is missing a value: write SERVICE_DOMAIN=" in refused.stderr


def test_config_shows_digests_alone(consumer: Consumer, first: Published) -> None:
    """What Compose would run is what was published, without a warning."""
    consumer.write_env(**settings_of(consumer, "1.0"))
    shown = consumer.try_compose("-f", first.tagged, "--env-file", ".env", "--profile", "*", "config")
    assert shown.returncode == 0, shown.stderr
    project = yaml.safe_load(shown.stdout)
    assert all("@sha256:" in service["image"] for service in project["services"].values())
    assert project["services"]["init"]["image"] == first.registry_image
    assert "warning" not in shown.stderr.lower()


def test_a_consumer_logs_in_pushes_and_pulls(started: Consumer) -> None:
    """Three lines of `.env` gave a registry with TLS and a user."""
    with sample_image(started.live, "team/app:1") as image:
        image.push()
        image.forget()
        assert image.pull() == image.identity


def test_another_user_is_added_with_the_images_own_htpasswd(started: Consumer, first: Published) -> None:
    """The registry takes the change up while it runs."""
    init = f"{started.project}-init-1"
    added = ["docker", "run", "--rm", "-i", "--volumes-from", init, first.registry_image]
    succeed([*added, "htpasswd", "-i", "-B", "/stack/secrets/htpasswd", "alice"], within=60, stdin="alice's own words")
    deadline = time.monotonic() + 20  # two seconds on a quiet machine
    login = ["login", "--username", "alice", "--password-stdin", started.live.authority]
    while started.live.try_docker(*login, stdin="alice's own words").returncode != 0:
        assert time.monotonic() < deadline, "the registry does not know her"
    started.live.login()


def test_nothing_of_a_consumers_runs_as_root(started: Consumer) -> None:
    """Whoever publishes decides about users; the consumer can see it."""
    names = succeed(["docker", "compose", "-p", started.project, "ps", "--all", "--quiet"], within=30).stdout.split()
    users = succeed(["docker", "inspect", "--format", "{{.Config.User}}", *names], within=30).stdout.split()
    assert set(users) == {"10001:10001", "101:101"}


def test_another_version_in_env_is_refused(started: Consumer, first: Published) -> None:
    """A tag that has moved does not upgrade anybody who wrote REGISTRY_VERSION."""
    started.write_env(**settings_env(started) | {"REGISTRY_VERSION": "0.9"})
    refused = started.try_compose("-f", first.tagged, "--env-file", ".env", "up", "-d", "--wait", "-y")
    assert refused.returncode != 0
    assert "this stack is 1.0, and REGISTRY_VERSION in .env asks for 0.9" in started.logs()
    started.write_env(**settings_env(started) | {"REGISTRY_VERSION": "1.0"})
    started.up(first.tagged)


def settings_env(consumer: Consumer) -> dict[str, str]:
    """What `.env` says now."""
    return dict(line.split("=", 1) for line in (consumer.folder / ".env").read_text().splitlines())


def test_the_observability_profile_runs(started: Consumer, first: Published) -> None:
    """All of its services whose images can be had here."""
    project = yaml.safe_load(
        started.compose("-f", first.tagged, "--env-file", ".env", "--profile", "observability", "config")
    )
    absent = ("grafana", "cadvisor")
    services = [name for name in project["services"] if name not in absent]
    assert {"prometheus", "node-exporter", "nginx-exporter"} <= set(services)
    started.compose(
        "-f", first.tagged, "--env-file", ".env", "--profile", "observability", "up", "-d", "--wait", "-y", *services
    )
    command = ["docker", "compose", "-p", started.project, "exec", "-T", "prometheus", "wget", "-qO-"]
    deadline = time.monotonic() + 30
    while not (
        found := json.loads(succeed([*command, "http://127.0.0.1:9090/api/v1/targets"], within=30).stdout)["data"]
    )["activeTargets"]:
        assert time.monotonic() < deadline, found
        time.sleep(0.5)


def test_an_update_keeps_the_data(started: Consumer, first: Published, second: Published) -> None:
    """The second version runs with its configuration; images, users and certificate are the old ones."""
    with sample_image(started.live, "team/kept:1") as image:
        image.push()
        image.forget()
        authority = (started.folder / "certs/ca.crt").read_bytes()
        started.write_env(**settings_env(started) | {"REGISTRY_VERSION": "1.1"})
        started.up(second.tagged)
        read = ["docker", "compose", "-p", started.project, "exec", "-T", "registry", "cat"]
        assert "level: debug" in succeed([*read, "/etc/docker/registry/config.yml"], within=30).stdout
        started.fetch_first_secrets()
        assert (started.folder / "certs/ca.crt").read_bytes() == authority
        assert image.pull() == image.identity


def test_down_and_up_by_digest_keep_the_data(started: Consumer, second: Published) -> None:
    """Pinned to the very artifact, whatever happens to the tag."""
    with sample_image(started.live, "team/pinned:1") as image:
        image.push()
        image.forget()
        started.down()
        started.up(second.pinned)
        assert image.pull() == image.identity


def test_a_local_wrapper_with_an_override(started: Consumer, second: Published) -> None:
    """The consumer's own file includes the artifact and changes a service; its paths start in the folder."""
    (started.folder / "override.yaml").write_text(
        "services:\n  registry:\n    labels: {org.example.owner: team-a}\n    volumes: ['./notes:/notes:ro']\n"
    )
    (started.folder / "notes").mkdir(exist_ok=True)
    wrapper = {"include": [{"path": [second.pinned, "./override.yaml"], "project_directory": "."}]}
    (started.folder / "compose.yaml").write_text(yaml.safe_dump(wrapper))
    started.compose("up", "-d", "--wait", "-y")
    found = succeed(["docker", "inspect", f"{started.project}-registry-1"], within=30).stdout
    (registry,) = json.loads(found)
    assert registry["Config"]["Labels"]["org.example.owner"] == "team-a"
    assert str(started.folder / "notes") in {mount["Source"] for mount in registry["Mounts"]}
    assert started.live.ask("/v2/").status == 200
