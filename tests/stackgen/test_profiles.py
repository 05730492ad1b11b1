"""A profile is data: new files in a checkout make a new profile, and no line of Python is touched."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from stackgen.cli.disable import services_of
from stackgen.folder import StackFolder
from stackgen.profiles import load_profiles, parse_profile

ROOT = Path(__file__).parents[2]
PRODUCT = ("stackgen", "registry_app", "templates", "profiles", "nginx", "prometheus", "grafana", "requirements")
PROFILE = """
summary = "mail for those who ask"
compose = "compose.mail.yaml.j2"
trees = ["mail"]

[images]
mail = "example.com/mail/server:1.2"

[[secrets]]
path = "mail-secrets/relay_password"
"""
FRAGMENT = """services:
  mail:
    <<: *hardened
    image: {{ images.mail | yaml }}
    profiles: [mail]
    labels:
      stackgen.config: {{ hashes.mail | yaml }}
    volumes:
      - type: bind
        source: {{ mounted("./mail") | yaml }}
        target: /etc/mail
        read_only: true
        bind:
          create_host_path: false
    networks: [post]

networks:
  post:
    internal: true
"""


@pytest.fixture
def checkout(tmp_path):
    """A checkout with a profile more: what it says, its piece of Compose file, its configuration."""
    top = tmp_path / "checkout"
    for name in PRODUCT:
        shutil.copytree(ROOT / name, top / name, ignore=shutil.ignore_patterns("__pycache__"))
    (top / "mail").mkdir()
    for name, text in {
        "profiles/mail.toml": PROFILE,
        "templates/compose.mail.yaml.j2": FRAGMENT,
        "mail/main.cf.j2": "myhostname = {{ settings.host }}\n",
        "mail/aliases": "root: {{ nobody }}\n",
    }.items():
        (top / name).write_text(text)
    return top


def test_new_files_alone_make_a_new_profile(checkout, tmp_path):
    """It is listed, rendered, switched on and off, pinned and given its secret as those that we bring."""

    def run(*arguments):
        done = subprocess.run(
            [sys.executable, "-B", "-m", "stackgen", *arguments],
            cwd=tmp_path, env={"PYTHONPATH": str(checkout), "PATH": "/usr/bin:/bin"}, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("init", "s", "--domain", "registry.example.com", "--yes", "--profile", "mail")
    stack = tmp_path / "s"
    assert "mail            on   mail for those who ask" in run("profiles", "list", "s")
    assert "COMPOSE_PROFILES=mail\n" in (stack / ".env").read_text()
    project = yaml.safe_load((stack / "compose.yaml").read_text())
    assert project["services"]["mail"]["image"] == "example.com/mail/server:1.2"
    assert project["services"]["mail"]["cap_drop"] == ["ALL"]
    assert project["networks"]["post"] == {"internal": True}
    assert (stack / "mail/main.cf").read_text() == "myhostname = registry.example.com\n"
    assert (stack / "mail/aliases").read_text() == "root: {{ nobody }}\n"
    secret = stack / "mail-secrets/relay_password"
    assert len(secret.read_text().strip()) > 20
    assert secret.stat().st_mode & 0o7007 == 0
    assert "/mail-secrets/\n" in (stack / ".gitignore").read_text()
    assert "cd s && docker compose --profile mail down mail" in run("disable", "mail", "s")
    assert "COMPOSE_PROFILES=\n" in (stack / ".env").read_text()
    assert run("plan", "s") == run("plan", "s")


def test_every_tree_of_a_profile_travels_in_the_wheel():
    """pyproject.toml names the folders that are no Python."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    trees = {tree for profile in load_profiles() for tree in profile.trees}
    assert trees
    assert trees <= set(build["force-include"])


def test_a_word_that_means_nothing_is_refused():
    """A typing mistake in a profile is no setting that is silently left out."""
    with pytest.raises(ValueError, match="profile mail: unknown keys imagse"):
        parse_profile("mail", 'summary = "x"\nimagse = {}\n')


@pytest.mark.parametrize(
    "text", ["services: []", "services: {a: 5}", "services: !!bool xyz", "[" * 3000, "services: !!int ''"]
)
def test_a_compose_file_that_means_nothing_has_no_services(tmp_path, text):
    """A profile can be disabled all the same."""
    folder = StackFolder(tmp_path)
    folder.compose.write_text(text)
    assert services_of(folder, "observability") == []


def test_a_linked_env_stays_a_link(stackgen, folder, tmp_path):
    """Settings may lie in a repository of their own: what is switched on is written there."""
    kept = tmp_path / "kept.env"
    folder.env.rename(kept)
    folder.env.symlink_to(kept)
    stackgen("enable", "observability", folder.root)
    assert folder.env.is_symlink()
    assert "COMPOSE_PROFILES=observability\n" in kept.read_text()
