"""The registry's image, built from a stack's folder, is used as people use the image of registry:2."""

from __future__ import annotations

import subprocess

import pytest

pytestmark = pytest.mark.live


@pytest.fixture
def docker(stack):
    """Runs a docker command that must end well; what it printed."""
    return lambda *arguments: stack.docker(*map(str, arguments)).stdout


def run_in(docker, image, *arguments):
    """What a command in a fresh container of the image prints."""
    return docker("run", "--rm", "--network", "none", image, *arguments)


def test_the_build_context_gives_an_image_by_itself(stack, docker):
    """`docker build registry/`, without Compose; a container of it serves pushes with no configuration at all."""
    name = "stackgen-test-alone:1"
    extra = stack.settings.build_extra_ca
    secret = ["--secret", f"id=extra_ca,src={extra}"] if extra else []
    build = ["docker", "build", "--quiet", *secret, "--tag", name, str(stack.folder / "registry")]
    subprocess.run(build, check=True, capture_output=True)  # with the plugins of whoever runs the tests
    container = docker("run", "--detach", "--publish", "127.0.0.1::5000", name).strip()
    try:
        address = docker("port", container, "5000/tcp").strip()
        _wait(address)
        docker("tag", name, f"{address}/copy:1")
        docker("push", "--quiet", f"{address}/copy:1")
    finally:
        docker("rm", "--force", "--volumes", container)
        docker("image", "rm", name, f"{address}/copy:1")


def _wait(address):
    """Until a registry answers there; whether it did within ten seconds."""
    command = ["curl", "-fs", "--retry", "100", "--retry-all-errors", "--retry-delay", "0", "--retry-max-time", "10"]
    return subprocess.run([*command, f"http://{address}/healthz"], capture_output=True, check=False).returncode == 0


def test_a_container_whose_root_is_read_only_takes_pushes(stack, docker):
    """As registry:2 does with nothing but its volume to write to."""
    started = docker("run", "--detach", "--read-only", "--publish", "127.0.0.1::5000", stack.registry_image).strip()
    try:
        address = docker("port", started, "5000/tcp").strip()
        assert _wait(address), docker("logs", started)
        upload = ["curl", "-fsi", "-X", "POST", f"http://{address}/v2/a/blobs/uploads/"]
        assert "202 " in subprocess.run(upload, capture_output=True, text=True, check=True).stdout
    finally:
        docker("rm", "--force", "--volumes", started)


def test_what_people_type_in_a_registry_s_container_works(stack, docker):
    """Apache's htpasswd, and upstream's commands from /."""
    image = stack.registry_image
    assert run_in(docker, image, "htpasswd", "-Bbn", "alice", "secret").startswith("alice:$2")
    assert run_in(docker, image, "bin/registry", "--version").startswith("registry ")
    assert run_in(docker, image, "--version").startswith("registry ")
    assert "garbage-collect" in run_in(docker, image, "--help")
    config = "/etc/docker/registry/config.yml"
    header = "REGISTRY_HTTP_HEADERS_Access-Control-Allow-Origin"  # a shell would lose it
    assert f"{header}=[a]" in run_in(docker, "--env", f"{header}=[a]", image, "env").splitlines()
    assert "0 blobs marked" in run_in(docker, image, "bin/registry", "garbage-collect", config)
    assert "admin:" in stack.compose("exec", "registry", "cat", "/auth/htpasswd").stdout


@pytest.mark.parametrize("place", ["/etc/docker/registry", "/etc/distribution"])
@pytest.mark.parametrize("whole_folder", [True, False], ids=["folder", "file"])
def test_a_configuration_is_found_where_it_was_mounted_before(stack, tmp_path, place, whole_folder):
    """In the place of registry:2 or of registry:3, by its folder or alone: never the image's own instead, without users."""
    (tmp_path / "config.yml").write_text("version: 9.9\n")
    tmp_path.chmod(0o755)
    mounted = f"{tmp_path}:{place}" if whole_folder else f"{tmp_path / 'config.yml'}:{place}/config.yml"
    started = stack.try_docker("run", "--rm", "--network", "none", "--volume", f"{mounted}:ro", stack.registry_image)
    assert started.returncode == 1
    assert "unsupported version '9.9'" in started.stderr


def test_the_image_runs_without_root_and_holds_no_tools_of_its_own(stack, docker):
    """Uid 10001, a registry and nothing to build with."""
    image = stack.registry_image
    assert run_in(docker, image, "id", "-u").strip() == "10001"
    assert run_in(docker, image, "sh", "-c", "ls /opt/registry/bin").split().count("pip") == 0
    inspected = docker("image", "inspect", "--format", "{{.Config.Env}}", image)
    assert "SECRET" not in inspected.upper()
    assert "PASSWORD" not in inspected.upper()
