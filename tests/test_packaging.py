"""The wheel, installed in an empty environment away from the checkout, makes a stack and serves a registry."""

import ast
import importlib.metadata
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ASSETS = ("templates", "profiles", "nginx", "prometheus", "grafana")
LISTING = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """The wheel of this checkout, built in a copy of what git would take, so that no stray file gets in."""
    source = tmp_path_factory.mktemp("source")
    tracked = subprocess.run(LISTING, cwd=ROOT, capture_output=True, check=False).stdout
    names = [name for name in tracked.decode().split("\0") if name] or [
        str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if path.is_file()
    ]
    for name in names:
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, source / name)
    target = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", target], cwd=source, check=True)
    return next(target.glob("*.whl"))


def test_the_wheel_holds_every_asset_and_nothing_else(wheel):
    """What the checkout renders from travels in the package, byte for byte; tests and benches stay at home."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        for asset in ASSETS:
            for path in (ROOT / asset).rglob("*"):
                if path.is_file() and "__pycache__" not in path.parts:
                    assert archive.read(f"stackgen/_assets/{path.relative_to(ROOT)}") == path.read_bytes()
        assert archive.read("stackgen/_assets/requirements/registry.lock")
    tops = {name.split("/")[0] for name in names}
    assert {"stackgen", "registry_app"} == {top for top in tops if not top.endswith(".dist-info")}
    entry_points = next(name for name in names if name.endswith("entry_points.txt"))
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read(entry_points).decode()
    assert "stackgen =" in text
    assert "registry =" in text


def test_the_image_s_requirements_name_everything_that_the_service_imports():
    """A module that the service begins to use must reach the image too."""
    owners = importlib.metadata.packages_distributions()
    tops = set()
    for path in (ROOT / "registry_app").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                tops |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                tops.add(node.module.split(".")[0])
    tops -= set(sys.stdlib_module_names) | {"registry_app"}
    needed = {owners[top][0].lower().replace("_", "-") for top in tops}
    named = {line for line in (ROOT / "requirements/registry.in").read_text().splitlines() if line[:1].isalpha()}
    assert needed <= named


def pip_install(environment, *arguments):
    """Installs into an environment with the machine's own pip settings."""
    pip = [environment / "bin/python", "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    subprocess.run([*pip, *arguments], check=True)


def free_port():
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(url, process):
    """The body of an address as soon as it answers."""
    for _ in range(150):
        assert process.poll() is None, "the server ended"
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310  (a loopback address)
                return answer.read()
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"{url} did not answer")


@pytest.mark.slow
def test_the_installed_wheel_makes_a_stack(wheel, tmp_path):
    """`stackgen init DIR --domain … --yes` in an empty environment, far from the checkout."""
    environment = tmp_path / "venv"
    venv.create(environment, with_pip=True)
    pip_install(environment, wheel)
    clean = {"PATH": f"{environment}/bin:{os.environ['PATH']}", "HOME": str(tmp_path)}
    init = ["stackgen", "init", "stack", "--domain", "registry.example.com", "--yes"]
    done = subprocess.run(init, cwd=tmp_path, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "stack/registry/registry_app/__init__.py").is_file()
    compose = (tmp_path / "stack/compose.yaml").read_text()
    assert compose == _rendered_by_the_checkout(tmp_path)


def _rendered_by_the_checkout(tmp_path):
    """compose.yaml for the same settings, from this checkout."""
    # Not beside the first one: init refuses a stack whose neighbour is the same Compose project.
    other = tmp_path / "checkout/stack"
    other.mkdir(parents=True)
    shutil.copy(tmp_path / "stack/.env", other / ".env")
    subprocess.run([sys.executable, "-m", "stackgen", "init", other], cwd=ROOT, check=True, capture_output=True)
    return (other / "compose.yaml").read_text()


@pytest.mark.slow
def test_the_service_runs_with_the_image_s_requirements_alone(tmp_path):
    """registry.lock names everything that `registry serve` imports, and nothing is missing in the image."""
    environment = tmp_path / "venv"
    venv.create(environment, with_pip=True)
    pip_install(environment, "--require-hashes", "-r", ROOT / "requirements/registry.lock")
    port = free_port()
    config = tmp_path / "config.yml"
    config.write_text(
        f"version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {tmp_path}/data\nhttp:\n  addr: 127.0.0.1:{port}\n"
    )
    (tmp_path / "data").mkdir()
    shutil.copytree(ROOT / "registry_app", tmp_path / "site/registry_app")
    clean = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path / "site"), "HOME": str(tmp_path)}
    serve = [environment / "bin/python", "-m", "registry_app", "serve", config]
    with subprocess.Popen(serve, cwd=tmp_path, env=clean) as process:
        try:
            assert wait_for(f"http://127.0.0.1:{port}/healthz", process)
        finally:
            process.terminate()
