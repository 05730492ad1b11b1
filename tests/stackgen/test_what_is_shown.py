"""What a command shows of texts that others wrote: no password, nothing that a terminal obeys, no flood."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stackgen import dotenv

URLS = (
    "BUILD_HTTP_PROXY",
    "BUILD_HTTPS_PROXY",
    "BUILD_PIP_INDEX_URL",
    "REGISTRY_EXTERNAL_URL",
    "PROMETHEUS_ALERTMANAGER",
    "SERVICE_DOMAIN",
    "TRUSTED_PROXIES",
)
PASSWORD = st.text(st.characters(codec="utf-8", exclude_characters="@\0\r"), min_size=6, max_size=90).map(
    lambda text: f"pw{text}wp"
)
SPELT = st.sampled_from(
    ["http://user:{}@h.example:3128", "https://{}@h.example/x", "user:{}@h.example", "http:/u:{}@h"]
)
READING = (["validate", "s"], ["validate", "s", "--json"], ["plan", "s"], ["render", "s"])
FAST = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def everything_told(stackgen, *arguments):
    """Both streams of a command that has to refuse."""
    done = stackgen(*arguments, code=1)
    return done.stdout + done.stderr


@pytest.fixture
def env(tmp_path):
    """Writes the .env of a folder that is not yet a stack."""
    (tmp_path / "s").mkdir()
    return lambda text: (tmp_path / "s/.env").write_bytes(text.encode())


@FAST
@given(name=st.sampled_from(URLS), password=PASSWORD, spelt=SPELT)
def test_a_password_in_an_address_is_shown_by_nobody(stackgen, env, name, password, spelt):
    """Whatever it is made of, and however long: not by a refusal, nor as JSON, nor by init."""
    value = spelt.format(password)
    env(f"{name}={dotenv.quote(value)}\n")
    secrets = {password, password[2:-2], repr(password)[1:-1], password[:12]}
    for arguments in (*READING, ["init", "n", "--yes", "--set", f"{name}={value}"]):
        told = everything_told(stackgen, *arguments)
        assert name in told
        assert not any(secret in told for secret in secrets if len(secret) > 5)


def test_no_command_shows_the_password_of_a_proxy(stackgen, folder, monkeypatch):
    """Each command reads .env, and each refuses it in the same words."""
    monkeypatch.setenv("DOCKER_HOST", "tcp://user:hunter22@127.0.0.1:1")
    with folder.env.open("a") as file:
        file.write("BUILD_HTTP_PROXY=http://user:hunter22@proxy.example.com:3128\n")
    for command in (
        "gc", "doctor", "status", "render", "serve", "profiles list", "enable observability", "users add bob", "rotate tls",
        "publish oci://localhost:1/a/b:1 --plain-http",
    ):  # fmt: skip
        told = everything_told(stackgen, *command.split(), folder.root)
        assert "hunter22" not in told, command
        assert "BUILD_HTTP_PROXY" in told, command


def test_a_password_among_the_options_is_not_shown(stackgen):
    """Where two answers contradict each other, or one is no answer."""
    pair = ["--set", "BUILD_HTTP_PROXY=http://u:hunter22@a", "--set", "BUILD_HTTP_PROXY=http://u:hunter33@b"]
    assert "hunter" not in stackgen("init", "n", *pair, code=2).stderr
    assert "hunter" not in stackgen("init", "n", "--set", "http://u:hunter22@a", code=2).stderr


HOSTILE = "\x1b[2J\x1b]0;owned\x07\u202e\x9b31m"


@pytest.mark.parametrize(
    "text",
    [
        f"{HOSTILE}=1\n",
        f"HTTPS_PORT={HOSTILE}\n",
        f"HTTPS_PORT=1\nHTTPS_PORT{HOSTILE}\n",
        f"COMPOSE_PROFILES=a,{HOSTILE}\n",
        "X" * 10**5 + "\n",
        "X" * 10**5 + "=1\n" + "X" * 10**5 + "=1\n",
        "HTTPS_PORT=" + "9" * 10**5 + "\n",
        "TRUSTED_PROXIES=" + "x" * 10**5 + "\n",
        "?\n" * 10**4,
    ],
    ids=range(9),
)
def test_a_hostile_env_is_refused_on_one_screen_of_plain_text(stackgen, env, text):
    """Names and values with what terminals obey, endless ones, and too many of them."""
    env(text)
    told = everything_told(stackgen, "validate", "s")
    assert all(line.isprintable() for line in told.split("\n"))
    assert len(told) < 20_000


def test_the_shell_s_words_are_shown_plainly_too(stackgen, tmp_path):
    """Folders, options, commands and users; a bad folder is refused before anything is made in it."""
    for arguments, code in (
        (["init", HOSTILE, "--yes"], 1),
        (["init", "x", f"--{HOSTILE}"], 2),
        ([HOSTILE * 1000], 2),
        (["plan", HOSTILE], 1),
        (["init", "x", "--domain", HOSTILE, "--yes"], 1),
        (["init", "x", "--set", HOSTILE], 2),
        (["init", "x", "--https-port", HOSTILE], 2),
        (["settings", HOSTILE], 1),
    ):
        done = stackgen(*arguments, code=code)
        assert all(line.isprintable() for line in (done.stdout + done.stderr).split("\n")), arguments
    assert list(tmp_path.iterdir()) == []


def test_a_diff_of_a_file_with_escapes_is_plain(stackgen, folder):
    """Whoever may write one of the stack's files does not get at the operator's terminal."""
    with (folder.root / "nginx/nginx.conf").open("a") as file:
        file.write(f"# {HOSTILE}\n")
    with folder.env.open("a") as file:
        file.write("HSTS=true\n")
    told = stackgen("plan", folder.root, code=2).stdout
    assert "nginx.conf" in told
    assert all(c.isprintable() or c in "\n\t" for c in told)
