"""Why docker can't do something is said in our words, with what to type; its exit codes and usage texts stay inside."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from stackgen.docker import ABSENT, NO_COMPOSE, Answer, find_trouble

needs_docker = pytest.mark.skipif(
    subprocess.run(["sh", "-c", "command -v docker"], capture_output=True, check=False).returncode != 0,
    reason="needs the docker client",
)


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        (
            ("permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: Get "
            '"http://%2Fvar%2Frun%2Fdocker.sock/v1.47/info": dial unix /var/run/docker.sock: connect: permission denied'),
            "usermod -aG docker",
        ),
        ("permission denied while trying to connect to the docker API at unix:///run/docker.sock", "usermod -aG docker"),
        ("Cannot connect to the Docker daemon at unix:///run/d.sock. Is the docker daemon running?", "systemctl start"),
        (
            ("failed to connect to the docker API at unix:///run/d.sock; check if the path is correct and if the daemon "
            "is running: dial unix /run/d.sock: connect: no such file or directory"),
            "systemctl start",
        ),
        (
            'error during connect: Get "http://nowhere:2375/v1.51/containers/json": dial tcp: lookup nowhere: no such host',
            "systemctl start",
        ),
        ("docker: 'compose' is not a docker command.\nSee 'docker --help'", "docker-compose-plugin"),
        ("docker: unknown command: docker compose\n\nRun 'docker --help' for more information", "docker-compose-plugin"),
        ("unknown flag: --services\n\nUsage:  docker [OPTIONS] COMMAND [ARG...]", "docker-compose-plugin"),
        ("unknown shorthand flag: 'T' in -T\nSee 'docker --help'.", "docker-compose-plugin"),
        ('unable to resolve docker endpoint: context "far": context not found: open meta.json', "docker context ls"),
        ('unable to parse docker host "nonsense"', "unset DOCKER_HOST"),
        ("no configuration file provided: not found", "stackgen render"),
        ("yaml: line 3: mapping values are not allowed in this context", "docker compose config"),
        ("failed to solve: write /x: no space left on device", "docker system df"),
        ("something that nobody has seen before", "stackgen doctor"),
    ],
)  # fmt: skip
def test_docker_s_words_have_a_remedy(said, remedy):
    """Those of several of its versions."""
    trouble = find_trouble(Answer(1, "", said))
    assert remedy in trouble.remedy
    assert "Usage:" not in trouble.message
    assert "\n" not in trouble.message


def test_no_words_at_all_have_one_too():
    """A command that is not there, and one that fails in silence."""
    assert find_trouble(Answer(127, "", "")) == ABSENT
    assert "code 9" in find_trouble(Answer(9, "", "")).message
    assert "plugin" in NO_COMPOSE.message


def gc(folder, **environ):
    """`stackgen gc` as a process; its exit code is ours, and docker's usage is not seen."""
    command = [sys.executable, "-m", "stackgen", "gc", str(folder.root)]
    done = subprocess.run(command, env=os.environ | environ, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1, done
    assert "Usage:" not in done.stdout + done.stderr
    assert done.stderr.startswith("error: ")
    return done.stderr


@needs_docker
def test_a_dead_engine_is_named(folder, tmp_path):
    """Nothing listens there; or something that is no engine."""
    assert "the Docker Engine does not answer" in gc(folder, DOCKER_HOST=f"unix://{tmp_path}/nobody.sock")
    assert "unset DOCKER_HOST" in gc(folder, DOCKER_HOST="tcp://127.0.0.1:1")
    assert "names no engine" in gc(folder, DOCKER_CONTEXT="far-away", DOCKER_HOST="")


@needs_docker
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: becomes another user")
def test_a_socket_that_is_somebody_else_s_names_the_group():
    """The commonest reason of all, said at the end of init."""
    with tempfile.TemporaryDirectory() as place, socket.socket(socket.AF_UNIX) as listening:
        Path(place).chmod(0o777)  # its own folder, not pytest's: what is above it is not ours to open to others
        listening.bind(f"{place}/d.sock")
        Path(place, "d.sock").chmod(0o600)
        listening.listen()
        environ = os.environ | {"DOCKER_HOST": f"unix://{place}/d.sock", "HOME": "/nonexistent"}
        other = ["setpriv", "--reuid", "12345", "--regid", "12345", "--clear-groups", sys.executable, "-m", "stackgen"]
        command = [*other, "init", f"{place}/s", "--yes"]
        done = subprocess.run(command, env=environ, cwd="/", capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "usermod -aG docker" in done.stderr


@needs_docker
def test_a_plugin_that_is_not_there_is_named(folder, tmp_path):
    """Not by docker's page on its usage."""
    elsewhere = {"DOCKER_CONFIG": str(tmp_path), "HOME": str(tmp_path)}
    asked = subprocess.run(
        ["docker", "compose", "version"], env=os.environ | elsewhere, capture_output=True, check=False
    )
    if asked.returncode == 0:
        pytest.skip("Compose is installed for everybody here")
    assert "Compose plugin is not installed" in gc(folder, **elsewhere)


def test_bad_settings_are_told_before_docker_is_asked(folder):
    """With the line, as everywhere."""
    with folder.env.open("a") as file:
        file.write("REGISTRY_WORKERS=none\n")
    assert "REGISTRY_WORKERS 'none' is not a whole number" in gc(folder)


@needs_docker
def test_init_says_that_the_engine_does_not_answer(stackgen, monkeypatch, tmp_path):
    """The stack is made all the same: it is the next command that would fail."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    told = stackgen("init", "s", "--yes")
    assert "the Docker Engine does not answer" in told.stderr
    assert "docker compose up -d --wait" in told.stdout
