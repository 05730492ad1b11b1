"""Clients other than Docker's, each with a login, a push and a pull of its own over TLS."""

from __future__ import annotations

import json
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stackgen.demo.image import build_image
from tests.live.clients import Clients, lines, manifest_digest, write_layout
from tests.live.stack import LiveStack

pytestmark = pytest.mark.live


@pytest.fixture
def clients(stack: LiveStack, tmp_path: Path) -> Clients:
    """Clients at home in a folder of this test."""
    home = tmp_path / "home"
    (home / ".docker").mkdir(parents=True)
    return Clients(stack, home)


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """An OCI image layout with one small image called `hello`."""
    write_layout(tmp_path / "layout", build_image("hello.txt", f"hello from {tmp_path}"), name="hello")
    return tmp_path / "layout"


def test_skopeo(clients: Clients, layout: Path) -> None:
    """Skopeo logs in, pushes, lists tags, copies to another repository, pulls the same image, and deletes."""
    first, second = (f"docker://{clients.name(f'clients/{one}')}" for one in ("skopeo:1", "copied:2"))
    clients.run("skopeo", "login", "-u", clients.stack.user, "--password-stdin", clients.stack.authority,
                stdin=clients.stack.password)  # fmt: skip
    clients.run("skopeo", "--insecure-policy", "copy", f"oci:{layout}:hello", first)
    assert json.loads(clients.run("skopeo", "list-tags", first.rpartition(":")[0]))["Tags"] == ["1"]
    clients.run("skopeo", "--insecure-policy", "copy", first, second)
    clients.run("skopeo", "--insecure-policy", "copy", second, f"oci:{clients.home / 'back'}:hello")
    assert manifest_digest(clients.home / "back") == manifest_digest(layout)
    clients.run("skopeo", "delete", second)
    assert clients.attempt("skopeo", "inspect", second).returncode != 0


def test_skopeo_with_a_wrong_password(clients: Clients) -> None:
    """Skopeo is refused with a wrong password."""
    refused = clients.attempt("skopeo", "login", "-u", "admin", "--password-stdin", clients.stack.authority, stdin="no")
    assert refused.returncode != 0
    assert "unauthorized" in refused.stderr.lower() or "invalid username/password" in refused.stderr.lower()


def test_strangers_pull_what_is_public(clients: Clients, layout: Path) -> None:
    """Without a login skopeo sends an empty one (`Basic Og==`): it gets what rules open to anyone, and nothing else."""
    public, private = (f"docker://{clients.name(f'clients/{one}:1')}" for one in ("public", "private"))
    given = f"{clients.stack.user}:{clients.stack.password}"
    for name in (public, private):
        clients.run("skopeo", "--insecure-policy", "copy", "--dest-creds", given, f"oci:{layout}:hello", name)
    rules = clients.stack.folder / "secrets" / "access.yaml"
    before = rules.read_text()
    opened = '  - {anonymous: true, repositories: ["clients/public"], actions: [pull]}\n'
    try:
        rules.write_text(before + opened)
        time.sleep(2)
        back = f"oci:{clients.home / 'back'}:hello"
        clients.run("skopeo", "--insecure-policy", "copy", public, back)
        assert manifest_digest(clients.home / "back") == manifest_digest(layout)
        for words in (("inspect", private), ("--insecure-policy", "copy", f"oci:{layout}:hello", public)):
            assert clients.attempt("skopeo", *words).returncode != 0
    finally:
        rules.write_text(before)


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose path has few characters: podman takes fifty at most."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="p") as folder:
        yield Path(folder)


def test_podman(clients: Clients, layout: Path, short: Path) -> None:
    """Podman logs in, pushes, pulls the same image, and is refused once it has logged out."""
    options = ("--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--events-backend", "none")
    podman = ("podman", "--root", short / "root", "--runroot", short / "run", *options)
    name = clients.name("clients/podman:1")
    clients.run(*podman, "login", "-u", clients.stack.user, "--password-stdin", clients.stack.authority,
                stdin=clients.stack.password)  # fmt: skip
    image = lines(clients.run(*podman, "pull", "--quiet", f"oci:{layout}:hello"))[-1]
    clients.run(*podman, "push", image, name)
    clients.run(*podman, "rmi", "--force", image)
    assert lines(clients.run(*podman, "pull", "--quiet", name))[-1] == image
    clients.run(*podman, "logout", clients.stack.authority)
    assert clients.attempt(*podman, "pull", "--quiet", name).returncode != 0


def test_buildah(clients: Clients, layout: Path) -> None:
    """Buildah logs in, pushes and pulls."""
    buildah = ("buildah", "--root", clients.home / "root", "--runroot", clients.home / "run", "--storage-driver", "vfs")
    name = clients.name("clients/buildah:1")
    clients.run(*buildah, "login", "-u", clients.stack.user, "--password-stdin", clients.stack.authority,
                stdin=clients.stack.password)  # fmt: skip
    image = lines(clients.run(*buildah, "pull", "--policy", "always", f"oci:{layout}:hello"))[-1]
    clients.run(*buildah, "push", image, f"docker://{name}")
    clients.run(*buildah, "rmi", "--force", image)
    assert lines(clients.run(*buildah, "pull", f"docker://{name}"))[-1] == image


def test_oras(clients: Clients) -> None:
    """Oras pushes an artifact, attaches another to it, finds it as a referrer, and pulls the same file."""
    subject, copy = clients.name("clients/oras:1"), clients.name("clients/oras-copy:1")
    (clients.home / "sbom.json").write_text("{}")
    (clients.home / "chart.txt").write_text("chart")
    # Without the word, oras speaks plain HTTP to a host called localhost.
    tls, sbom = "--plain-http=false", "application/vnd.example.sbom"
    clients.run("oras", "login", tls, "-u", clients.stack.user, "--password-stdin", clients.stack.authority,
                stdin=clients.stack.password)  # fmt: skip
    clients.run(
        "oras", "push", tls, "--artifact-type", "application/vnd.example.chart", subject, "chart.txt:text/plain"
    )
    clients.run("oras", "attach", tls, "--artifact-type", sbom, subject, "sbom.json:application/json")
    clients.run("oras", "cp", "--from-plain-http=false", "--to-plain-http=false", "--recursive", subject, copy)
    for name in (subject, copy):
        found = json.loads(clients.run("oras", "discover", tls, "--format", "json", name))
        assert [one["artifactType"] for one in found["referrers"]] == [sbom]
    clients.run("oras", "pull", tls, "--output", "pulled", copy)
    assert (clients.home / "pulled" / "chart.txt").read_text() == "chart"


def test_crane(clients: Clients, layout: Path) -> None:
    """Crane pushes a layout, names its digest, tags, lists, copies, pulls and deletes."""
    name = clients.name("clients/crane:1")
    clients.run("crane", "auth", "login", "-u", clients.stack.user, "--password-stdin", clients.stack.authority,
                stdin=clients.stack.password)  # fmt: skip
    clients.run("crane", "push", layout, name)
    assert clients.run("crane", "digest", name).strip() == manifest_digest(layout)
    clients.run("crane", "tag", name, "2")
    assert lines(clients.run("crane", "ls", name.rpartition(":")[0])) == ["1", "2"]
    clients.run("crane", "copy", name, clients.name("clients/crane-copy:1"))
    assert "clients/crane-copy" in lines(clients.run("crane", "catalog", clients.stack.authority))
    clients.run("crane", "pull", "--format=oci", clients.name("clients/crane-copy:1"), clients.home / "back")
    assert manifest_digest(clients.home / "back") == manifest_digest(layout)
    clients.run("crane", "delete", f"{name.rpartition(':')[0]}@{manifest_digest(layout)}")
    assert clients.attempt("crane", "digest", name).returncode != 0


def test_cosign(clients: Clients, layout: Path) -> None:
    """A signature that cosign stores beside an image is found and verified, and another key is refused."""
    subject = f"{clients.name('clients/cosign')}@{manifest_digest(layout)}"
    clients.run("crane", "auth", "login", "-u", clients.stack.user, "--password-stdin", clients.stack.authority,
                stdin=clients.stack.password)  # fmt: skip
    clients.run("crane", "push", layout, clients.name("clients/cosign:1"))
    for key in ("mine", "other"):
        clients.run("cosign", "generate-key-pair", "--output-key-prefix", key)
    clients.run("cosign", "signing-config", "create", "--out", "offline.json")
    clients.run("cosign", "sign", "--yes", "--key", "mine.key", "--signing-config", "offline.json", subject)
    verify = ("cosign", "verify", "--insecure-ignore-tlog", "--private-infrastructure")
    assert manifest_digest(layout) in clients.run(*verify, "--key", "mine.pub", subject)
    assert clients.attempt(*verify, "--key", "other.pub", subject).returncode != 0


def test_umoci(clients: Clients, layout: Path) -> None:
    """An image that umoci changed is pushed and comes back with its change."""
    name = f"docker://{clients.name('clients/umoci:1')}"
    clients.run("skopeo", "login", "-u", clients.stack.user, "--password-stdin", clients.stack.authority,
                stdin=clients.stack.password)  # fmt: skip
    clients.run("umoci", "config", "--image", f"{layout}:hello", "--tag", "changed", "--config.label", "by=umoci")
    clients.run("skopeo", "--insecure-policy", "copy", f"oci:{layout}:changed", name)
    assert json.loads(clients.run("skopeo", "inspect", name))["Labels"] == {"by": "umoci"}


@pytest.fixture
def ctr(clients: Clients) -> Iterator[tuple[str, ...]]:
    """The words before a command of `ctr`, whose containerd has everything in a folder of its own."""
    home = clients.home
    settings = [
        "version = 2",
        'disabled_plugins = ["io.containerd.grpc.v1.cri"]',
        f'root = "{home / "containerd"}"',
        f'state = "{home / "containerd-state"}"',
        "[grpc]",
        f'address = "{home / "c.sock"}"',
    ]
    (home / "containerd.toml").write_text("\n".join(settings))
    with clients.start("containerd", "--config", home / "containerd.toml"):
        command = ("ctr", "--address", str(home / "c.sock"), "--namespace", "tests")
        deadline = time.monotonic() + 20
        while clients.attempt(*command, "version").returncode:
            assert time.monotonic() < deadline, (home / "containerd.log").read_text()
            time.sleep(0.2)
        yield command


def test_containerd(clients: Clients, ctr: tuple[str, ...], tmp_path: Path) -> None:
    """Containerd pushes an image, forgets it, and fetches the same one."""
    name = clients.name("clients/containerd:1")
    digest = write_layout(tmp_path / "named", build_image("hello.txt", "hello from containerd"), name=name)
    with tarfile.open(tmp_path / "named.tar", "w") as archive:
        archive.add(tmp_path / "named", arcname=".")
    # As init says for containerd: the CA lies in a folder called as the registry.
    trust = clients.home / "certs.d" / clients.stack.authority
    trust.mkdir(parents=True)
    address = f"https://{clients.stack.authority}"
    (trust / "hosts.toml").write_text(f'server = "{address}"\n[host."{address}"]\nca = "{clients.stack.certificate}"\n')
    access = ("--user", f"{clients.stack.user}:{clients.stack.password}", "--hosts-dir", trust.parent)
    clients.run(*ctr, "images", "import", "--no-unpack", tmp_path / "named.tar")
    clients.run(*ctr, "images", "push", *access, name)
    clients.run(*ctr, "images", "rm", "--sync", name)
    clients.run(*ctr, "content", "fetch", *access, name)
    assert digest in clients.run(*ctr, "images", "ls", f"name=={name}")
