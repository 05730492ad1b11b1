"""`doctor` and `status` on stacks that `init` made: a sound one, and one that somebody broke."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from stackgen.cli.doctor import _as_json
from stackgen.doctor.examination import examine
from stackgen.doctor.findings import Kind

# What depends on the machine that runs the tests, not on the stack.
OF_THE_HOST = {
    "DOCKER_ABSENT", "ENGINE_SILENT", "ENGINE_ELSEWHERE", "ENGINE_OLD", "ENGINE_ROOTLESS", "ENGINE_USERNS", "COMPOSE_ABSENT", "COMPOSE_OLD",
    "CLOCK_ENGINE", "CLOCK_UNSET", "DISK_RESERVE", "DISK_LOW", "DISK_INODES", "STACK_STOPPED", "IMAGE_UNBUILT", "ENGINE_DISTRUSTS",
    "NAME_UNRESOLVED", "PORT_TAKEN", "PORT_SHARED", "PROJECT_SHARED",
}  # fmt: skip


@pytest.fixture
def diagnose(folder):
    """Examines the stack; what `doctor --json` prints of it, by code."""
    return lambda: {finding.kind.name: _as_json(finding) for finding in examine(folder, environ=os.environ)}


@pytest.mark.slow
def test_a_new_stack_is_sound(diagnose):
    """Whatever is found is the machine's."""
    assert set(diagnose()) <= OF_THE_HOST


@pytest.mark.slow
def test_a_broken_stack_is_told_everything_at_once(diagnose, folder, stackgen):
    """Open secret, missing secret, another certificate's key, a file that is behind: each with its remedy."""
    folder.htpasswd.chmod(0o644)
    folder.http_secret.unlink()
    shutil.copy(folder.authority / "ca.key", folder.root / "certs/privkey.pem")
    folder.env.write_text(folder.env.read_text() + "LOG_LEVEL=debug\n")
    found = diagnose()
    assert {"SECRET_OPEN", "SECRET_MISSING", "CERTIFICATE_KEY", "RENDER_PENDING"} <= set(found)
    assert all(finding["remedy"] for finding in found.values())
    assert found["SECRET_OPEN"]["remedy"].startswith(f"chmod o= {folder.htpasswd}")
    shown = stackgen("doctor", folder.root, code=1).stdout
    assert "[SECRET_MISSING]" in shown
    assert "→ put it back from a backup, or make another: stackgen render" in shown


@pytest.mark.slow
def test_settings_that_can_not_be_used_are_a_finding(diagnose, folder):
    """The doctor is for stacks that don't work."""
    folder.env.write_text(folder.env.read_text() + "HTTPS_PORT=none\n")
    assert "line" in diagnose()["SETTINGS_INVALID"]["message"]


@pytest.mark.slow
def test_a_port_that_somebody_has_is_found(diagnose, folder):
    """By its setting."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        lines = [line for line in folder.env.read_text().splitlines() if not line.startswith("HTTP_PORT=")]
        folder.env.write_text("\n".join([*lines, f"HTTP_PORT={port}"]) + "\n")
        assert diagnose()["PORT_TAKEN"]["place"] == f"HTTP_PORT={port}"


@pytest.mark.slow
def test_an_authority_for_the_build_that_is_no_file_is_found(diagnose, folder, tmp_path, stackgen):
    """By doctor, and by init before the first start would stumble."""
    with folder.env.open("a") as file:
        file.write(f"BUILD_EXTRA_CA={tmp_path}/nowhere.pem\n")
    assert "No such file" in diagnose()["BUILD_CA"]["message"]
    (tmp_path / "empty.pem").touch()
    told = stackgen("init", "other", "--yes", "--set", f"BUILD_EXTRA_CA={tmp_path}/empty.pem").stderr
    assert "holds no PEM certificate" in told


def test_status_tells_what_is_due(stackgen, folder):
    """On one screen, and for programs."""
    folder.env.write_text(folder.env.read_text() + "LOG_LEVEL=debug\n")
    assert "stackgen plan" in stackgen("status", folder.root).stdout
    seen = json.loads(stackgen("status", folder.root, "--json").stdout)
    assert seen["address"].startswith("https://registry.example.com")  # and a port, where 443 is taken
    assert "stackgen render" in next(line for line in seen["due"] if "render would change" in line["text"])["remedy"]


def test_every_finding_is_explained_and_nothing_else():
    """docs/doctor.md against the code: a heading for each, with its severity and meaning."""
    page = (Path(__file__).parents[3] / "docs/doctor.md").read_text()
    headings = [line.removeprefix("### ") for line in page.splitlines() if line.startswith("### ")]
    assert headings == [kind.name for kind in Kind]
    for kind in Kind:
        assert f"### {kind.name}\n\n*{kind.severity.name.lower()}* · {kind.meaning}" in page, kind.name


def test_status_and_doctor_say_why_no_container_can_be_seen(stackgen, folder, tmp_path, monkeypatch):
    """No docker command, or an engine that does not answer; the rest is shown all the same."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    for docker in ("Cannot connect to the Docker daemon", "there is no docker command on the PATH"):
        shown = stackgen("status", folder.root)
        assert docker in shown.stderr
        assert "https://registry.example.com" in shown.stdout
        assert "nothing runs" not in shown.stdout
        assert docker in stackgen("doctor", folder.root, code=1).stdout
        monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: becomes another user")
def test_whoever_may_not_see_the_secrets_still_sees_the_rest(stackgen):
    """A colleague's status and doctor name what was left out, and who could look."""
    other = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", sys.executable, "-m", "stackgen"]
    environ = {**os.environ, "DOCKER_HOST": "unix:///nobody.sock", "HOME": "/tmp", "PYTHONDONTWRITEBYTECODE": "1"}
    with tempfile.TemporaryDirectory() as place:  # pytest closes its own folders to others as it starts
        Path(place).chmod(0o755)
        stackgen("init", f"{place}/s", "--domain", "registry.example.com", "--yes")
        for verb, told in (("status", "secrets"), ("doctor", "SECRETS_HIDDEN")):
            done = subprocess.run(
                [*other, verb, f"{place}/s"], env=environ, capture_output=True, text=True, check=False
            )
            assert told in done.stdout, done.stderr
            assert "the user who made the stack" in done.stdout
            assert "bug" not in done.stderr


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("secrets/htpasswd", "rotate password --user NAME"),
        ("secrets/http_secret", "rotate http-secret"),
        ("secrets/admin_password", "rotate password"),
        ("grafana-secrets/admin_password", "rotate grafana"),
        ("certs/privkey.pem", "rotate tls"),
        ("ca/ca.key", "rotate ca"),
    ],
)
def test_a_secret_that_lay_open_gets_the_command_that_rotates_that_one(diagnose, folder, path, words):
    """Two of them have the same name in two folders."""
    (folder.root / path).chmod(0o644)
    remedy = diagnose()["SECRET_OPEN"]["remedy"]
    assert remedy == f"chmod o= {folder.root / path}; then: stackgen {words} {folder.root}"
