"""Every secret changes in turn while clients push and pull: the embedded registry, TLS and all."""

from __future__ import annotations

import logging
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from stackgen.folder import StackFolder
from stackgen.founding import compose_env, make_stack
from tests.load import ROTATIONS, Load
from tests.serving import free_port

log = logging.getLogger(__name__)
pytestmark = pytest.mark.slow


@contextmanager
def serving(folder):
    """`stackgen serve` on a free port."""
    port = free_port()
    with (folder.root.parent / "serve.log").open("wb") as told:
        process = subprocess.Popen(
            [sys.executable, "-m", "stackgen", "serve", folder.root, "--port", str(port)],
            stdout=told,
            stderr=told,
            start_new_session=True,
        )
    try:
        for _ in range(400):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None
            time.sleep(0.05)
        yield port
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def served(port):
    """The certificate that a new connection gets."""
    return ssl.get_server_certificate(("127.0.0.1", port))


def test_no_valid_request_fails_while_every_secret_is_rotated(tmp_path):
    """Password, http secret, certificate, authority, and the way back of the last two."""
    make_stack(tmp_path / "mystack", compose_env({"SECRETS_GID": str(os.getgid())}))
    folder = StackFolder(tmp_path / "mystack")

    def stackgen(*arguments):
        subprocess.run([sys.executable, "-m", "stackgen", *arguments, folder.root], check=True, capture_output=True)

    with serving(folder) as port:
        load = Load(
            "localhost",
            port,
            folder.root / "certs/ca.crt",
            lambda: ("admin", folder.admin_password.read_text().strip()),
        )
        with load.running():
            for arguments in ROTATIONS:
                before = served(port)
                stackgen("rotate", *arguments)
                load.goes_on(0.5)
                assert (served(port) != before) == (arguments[0] in {"tls", "ca", "all"}), arguments
        assert load.failures == []
        assert min(load.done["PUT"], load.done["GET"]) > 50
        log.info("9 rotations, requests: %s, failed: %s", dict(load.done), len(load.failures))


def test_an_old_password_is_refused_within_two_seconds_by_every_worker(tmp_path):
    """Even one that every worker remembers; and the new one counts at once."""
    make_stack(tmp_path / "mystack", compose_env({"SECRETS_GID": str(os.getgid())}))
    folder = StackFolder(tmp_path / "mystack")
    password = folder.admin_password.read_text().strip()
    with serving(folder) as port:
        load = Load("localhost", port, folder.root / "certs/ca.crt", lambda: ("admin", password))
        statuses = lambda times: [status_of(load) for _ in range(times)]  # noqa: E731
        assert set(statuses(20)) == {200}
        subprocess.run(
            [sys.executable, "-m", "stackgen", "rotate", "password", folder.root], check=True, capture_output=True
        )
        changed = time.monotonic()
        old, password = password, folder.admin_password.read_text().strip()
        assert set(statuses(10)) == {200}
        password = old
        while time.monotonic() < changed + 2:
            time.sleep(0.05)
        assert 200 not in statuses(12)


def status_of(load):
    """The answer to /v2/ on a connection of its own."""
    connection = load._connect(0)
    try:
        load._ask(connection, 200, "GET", "/v2/")
    except AssertionError as error:
        return int(str(error).split(": ")[1].split()[0])
    finally:
        connection.close()
    return 200
