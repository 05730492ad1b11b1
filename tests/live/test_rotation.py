"""Secrets change while clients push and pull through nginx, and nothing is restarted."""

from __future__ import annotations

import base64
import json
import logging
import shutil
import ssl
import subprocess
import sys
import time

import pytest

from tests.live.conftest import StackMaker
from tests.live.stack import LiveStack, succeed
from tests.load import ROTATIONS, Load

pytestmark = pytest.mark.live
log = logging.getLogger(__name__)


def stackgen(stack: LiveStack, *arguments: str) -> str:
    """What `stackgen ARGUMENTS` prints; it must end well."""
    return succeed([sys.executable, "-m", "stackgen", *arguments, stack.folder], within=120).stdout


def served(stack: LiveStack) -> str:
    """The certificate that a new connection gets."""
    return ssl.get_server_certificate((stack.settings.host, stack.settings.port))


def started(stack: LiveStack) -> str:
    """When each container was started."""
    ids = stack.compose("ps", "-q").stdout.split()
    return succeed(["docker", "inspect", "--format", "{{.State.StartedAt}} {{.RestartCount}}", *ids], within=30).stdout


def test_every_secret_rotates_under_load(make_stack: StackMaker) -> None:
    """No valid request fails, each new certificate is served, the old password ends, no container restarts."""
    stack = make_stack("rotated")
    before = started(stack)
    load = Load(stack.settings.host, stack.settings.port, stack.certificate, lambda: (stack.user, stack.password))
    with load.running():
        for arguments in ROTATIONS:
            old = served(stack)
            stackgen(stack, "rotate", *arguments)
            assert (served(stack) != old) == (arguments[0] in {"tls", "ca", "all"}), arguments
            load.goes_on(1)
    log.info("%s rotations, requests: %s, failed: %s", len(ROTATIONS), dict(load.done), len(load.failures))
    assert load.failures == []
    assert started(stack) == before

    old_password = stack.password
    stackgen(stack, "rotate", "password")
    assert stack.ask("/v2/").status == 200
    time.sleep(2)
    refused = stack.try_docker(
        "login", "--username", stack.user, "--password-stdin", stack.authority, stdin=old_password
    )
    assert refused.returncode != 0
    stack.login()

    broken = stack.folder / "nginx" / "conf.d" / "broken.conf"
    broken.write_text("this is no directive\n")
    in_force = served(stack)
    done = subprocess.run(
        [sys.executable, "-m", "stackgen", "rotate", "tls", stack.folder], capture_output=True, text=True, check=False
    )
    broken.unlink()
    assert done.returncode == 1
    assert "the old one is back in force" in done.stderr
    assert served(stack) == in_force
    assert ssl.PEM_cert_to_DER_cert(in_force) == ssl.PEM_cert_to_DER_cert(
        (stack.folder / "certs" / "fullchain.pem").read_text().split("-----END CERTIFICATE-----")[0]
        + "-----END CERTIFICATE-----"
    )


def test_no_secret_shows_in_docker(stack: LiveStack) -> None:
    """Neither in `docker inspect`, nor in the environment or the arguments of a process, nor in the logs."""
    secrets = [
        path.read_text().strip()
        for path in (stack.folder / "secrets" / "admin_password", stack.folder / "secrets" / "http_secret")
    ]
    secrets += [(stack.folder / "certs" / "privkey.pem").read_text().splitlines()[1]]
    assert stack.ask("/v2/").status == 200
    ids = stack.compose("ps", "-q").stdout.split()
    told = succeed(["docker", "inspect", *ids], within=30).stdout + stack.compose("logs").stdout
    for service in ("registry", "nginx"):
        told += stack.compose("exec", "-T", service, "sh", "-c", "cat /proc/[0-9]*/cmdline").stdout
    told += stack.compose("config").stdout
    told += stack.compose("exec", "-T", "registry", "cat", "/proc/1/environ").stdout
    assert [secret[:6] for secret in secrets if secret in told] == []


def test_users_come_and_go_on_a_running_stack(stack: LiveStack) -> None:
    """A user who was added a moment ago logs in; one who was removed does not, two seconds later."""
    command = [sys.executable, "-m", "stackgen", "users"]
    added = succeed([*command, "add", "carol", stack.folder, "--generate"], within=60).stdout
    password = added.split("password: ")[1].split()[0]
    login = ("login", "--username", "carol", "--password-stdin", stack.authority)
    stack.docker(*login, stdin=password)
    succeed([*command, "remove", "carol", stack.folder], within=60)
    time.sleep(2)
    assert stack.try_docker(*login, stdin=password).returncode != 0


def test_secrets_put_in_the_place_of_those_that_a_container_reads_are_noticed(stack: LiveStack) -> None:
    """As by a restore from a backup: what changes there reaches nobody, and the doctor says so."""

    def found() -> bool:
        told = subprocess.run(
            [sys.executable, "-m", "stackgen", "doctor", stack.folder], capture_output=True, text=True, check=False
        ).stdout
        return "SECRETS_UNSEEN" in told

    place, away = stack.folder / "secrets", stack.folder / "secrets.away"
    assert not found()
    place.rename(away)
    try:
        shutil.copytree(away, place)
        assert not found()
        stackgen(stack, "users", "add", "--generate", "dora")
        assert found()
    finally:
        shutil.rmtree(place)
        away.rename(place)
    assert not found()


def test_a_guesser_cannot_choose_the_address_under_which_it_is_noted(stack: LiveStack) -> None:
    """What a client says of itself in headers ends at nginx; each guess has its line, without the password."""
    wrong = base64.b64encode(f"{stack.user}:a-guess".encode()).decode()
    forged = ("X-Forwarded-For", "X-Real-IP", "Forwarded", "X_Forwarded_For", "X-Forwarded-Host", "X-Client-IP")
    for name in forged:
        headers = {"Authorization": f"Basic {wrong}", name: "198.51.100.7"}
        assert stack.ask_as_stranger("/v2/", headers=headers).status in {401, 429}
    told = stack.compose("exec", "-T", "registry", "cat", "/var/log/registry/audit.logins.log").stdout
    noted = [json.loads(line) for line in told.splitlines()][-len(forged) :]
    assert [(line["event"], line["user"]) for line in noted] == [("login", stack.user)] * len(forged)
    assert "198.51.100.7" not in told
    assert "a-guess" not in told
    assert wrong not in told
