"""Every container passes its own healthcheck under the rendered hardening, whatever two options meet.

STACKGEN_EVERY_PAIR=1 starts a stack for each combination, some 20 s each; without it one alone, on IPv6.
"""

from __future__ import annotations

import datetime as dt
import http.client
import json
import os
import shutil
import socket
import ssl
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from registry_app.issuing import issue, make_authority
from stackgen.dotenv import set_value
from tests.live.stack import Answer, LiveStack, ask, init_stack, succeed
from tests.stackgen.combinations import SEEN_INSIDE, all_pairs

pytestmark = pytest.mark.live

PAIRS = all_pairs(SEEN_INSIDE)
IPV6 = next(one for one in PAIRS if ":" in one["SERVICE_DOMAIN"] and one["BIND_ADDRESS"] == "::1")
STARTED = PAIRS if os.environ.get("STACKGEN_EVERY_PAIR") == "1" else [IPV6]
# No image of these can be had here.
STATIC_ONLY = {"grafana", "cadvisor"}
# Its image holds no program to ask with.
WITHOUT_HEALTHCHECK = {"nginx-exporter"}
READY = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:5001/debug/ready').status)"


def free_port() -> str:
    """A port that nobody has, on any address."""
    with socket.create_server(("", 0)) as probe:
        return str(probe.getsockname()[1])


def make(top: Path, values: dict[str, str]) -> LiveStack:
    """The stack as a person makes it who has folders, a certificate and a configuration outside of it."""
    outside = top / "a b$c'd#f:ü"
    outside.mkdir()
    settings = {name: free_port() if value == "free" else value for name, value in values.items()}
    settings |= {name: str(outside / name) for name, value in values.items() if value == "outside"}
    host = settings.pop("SERVICE_DOMAIN")
    if settings["PROXY"] == "none":
        del settings["TRUSTED_PROXIES"], settings["HTTP_PORT"]  # refused: they are the proxy's
    settings |= {"HTTPS_PORT": free_port(), "GRAFANA_PORT": "0", "COMPOSE_PROJECT_NAME": top.name}
    configs = settings.pop("CONFIGS_DIR")
    more: list[str] = []
    if settings["TLS"] == "own":
        now = dt.datetime.now(dt.UTC)
        outer = urlsplit(settings["REGISTRY_EXTERNAL_URL"]).hostname
        pair = issue(make_authority(now=now), [host, *([outer] if outer else [])], now=now)
        (outside / "chain.pem").write_bytes(pair.certificate_pem)
        (outside / "key.pem").write_bytes(pair.key_pem)
        more = ["--cert", str(outside / "chain.pem"), "--key", str(outside / "key.pem")]
    stack = init_stack(top / "stack", host=host, more=more, **settings)
    if configs != "./config":
        shutil.move(stack.folder / "config", configs)
        env = stack.folder / ".env"
        env.write_text(set_value(env.read_text(), "CONFIGS_DIR", configs))
        succeed([sys.executable, "-m", "stackgen", "render", stack.folder], within=60)
    return stack


def ask_front(stack: LiveStack) -> Answer:
    """What a stranger gets at the stack's port, under its name; whose certificate it is, is another test's matter."""
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    place = (str(stack.settings.bind_address or "127.0.0.1"), stack.settings.https_port)
    connection = http.client.HTTPConnection(*place)
    # By its name, as clients do: nginx answers to no other.
    connection.sock = trust.wrap_socket(socket.create_connection(place, 30), server_hostname=stack.settings.host)
    return ask(connection, "/v2/", headers={"Host": stack.authority})


@pytest.mark.parametrize("values", STARTED, ids=[f"s{PAIRS.index(one)}" for one in STARTED])
def test_every_container_is_well(stack: LiveStack, values: dict[str, str], tmp_path: Path) -> None:
    """Started as `docker compose up --wait` starts it: healthy, taking pushes, and asking strangers who they are."""
    top = tmp_path / f"live-pair{PAIRS.index(values)}"
    top.mkdir()
    made = make(top, values)
    wanted = set(made.compose("config", "--services").stdout.split()) - STATIC_ONLY
    try:
        made.compose("up", "-d", "--wait", *sorted(wanted), within=240)
        shown = [json.loads(line) for line in made.compose("ps", "--all", "--format", "json").stdout.splitlines()]
        assert {one["Service"] for one in shown} == wanted
        well = {one["Service"]: (one["State"], one["Health"]) for one in shown}
        assert well == {name: ("running", "" if name in WITHOUT_HEALTHCHECK else "healthy") for name in wanted}, (
            made.compose("logs", "--tail", "20").stdout
        )
        assert made.compose("exec", "-T", "registry", "python", "-c", READY).stdout.strip() == "200"
        assert ask_front(made).status == 401
    finally:
        made.compose("--profile", "*", "down", "--volumes", "--timeout", "10")
