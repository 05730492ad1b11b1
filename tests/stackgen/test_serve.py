"""`stackgen serve`: what it says before it serves, and what it leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from stackgen.doctor.examination import examine
from stackgen.doctor.findings import Kind
from stackgen.embedded import find_embedded, presence
from stackgen.errors import StackgenError
from stackgen.folder import StackFolder
from tests.serving import free_port


@pytest.fixture
def local(stackgen, tmp_path):
    """A stack on this machine's own name, at a free port."""
    stackgen("init", "s", "--yes", "--https-port", free_port())
    return StackFolder(tmp_path / "s")


@pytest.fixture
def serving(tmp_path):
    """Starts `stackgen serve` and waits until it answers; ends it."""
    started = []

    def start(*arguments):
        log = tmp_path / f"log{len(started)}"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "stackgen", "serve", *arguments], cwd=tmp_path, stdout=output, stderr=output
            )
        started.append(process)
        deadline = time.monotonic() + 30
        while b"Booting worker" not in log.read_bytes():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return process, log

    yield start
    for process in started:
        process.kill()
        process.wait(10)


def test_the_process_is_named_while_it_serves(stackgen, local, serving):
    """By a file that goes with it, and that a second one respects."""
    process, _ = serving("s")
    assert find_embedded(local).process == process.pid == int(local.serve_pid.read_text())
    told = stackgen("serve", "s", "--port", free_port(), code=1).stderr
    assert f"process {process.pid} serves this stack already" in told
    assert f"embedded        serves without Docker, process {process.pid}" in stackgen("status", "s").stdout
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert not local.serve_pid.exists()
    assert find_embedded(local).process is None


def test_a_registry_that_was_killed_is_started_as_it_ran(stackgen, local, serving):
    """Status tells the disk that it stores on, and the command that starts it again; so does doctor."""
    process, _ = serving("s")
    shown = stackgen("status", "s")
    assert f"({local.data.relative_to(local.root.parent)})" in shown.stdout
    process.kill()
    process.wait(10)
    deadline = time.monotonic() + 20
    while find_embedded(local).process is not None:  # its workers leave a moment later
        assert time.monotonic() < deadline
        time.sleep(0.05)
    shown = stackgen("status", "s")
    assert f"process {process.pid}, which served the stack without Docker, was killed" in shown.stderr
    assert "restarted: stackgen serve s" in shown.stderr
    assert "docker" not in shown.stderr
    assert f"({local.data.relative_to(local.root.parent)})" in shown.stdout
    found = {one.kind: one.remedy for one in examine(local, environ=os.environ)}
    assert found[Kind.STACK_STOPPED] == f"stackgen serve {local.root}"
    assert not {Kind.DOCKER_ABSENT, Kind.ENGINE_SILENT, Kind.COMPOSE_ABSENT} & set(found)


def test_a_file_that_a_crash_left_is_recognised(local):
    """Even where another process has the number by now: nobody holds the file locked."""
    local.serve_pid.write_text(f"{os.getppid()}\n")
    assert find_embedded(local).process is None
    with presence(local):
        assert int(local.serve_pid.read_text()) == os.getpid()
        with pytest.raises(StackgenError, match="serves this stack already"), presence(local):
            pass
    assert not local.serve_pid.exists()


def test_the_login_that_is_printed_is_one_that_works(stackgen, local, serving):
    """After the first user was removed it is another one's, or the way to make one."""
    stackgen("users", "add", "bob", "s", "--generate")
    stackgen("users", "remove", "admin", "s")
    process, log = serving("s")
    told = log.read_text()
    assert "the first user, admin, was removed" in told
    assert "docker login -u bob" in told
    assert "admin_password" not in told
    process.terminate()
    process.wait(20)
    stackgen("users", "remove", "bob", "s")
    _, log = serving("s")
    assert "stackgen users add admin s" in log.read_text()
    assert "docker login" not in log.read_text()


def test_a_name_other_than_localhost_is_reached_by_it(stackgen, folder, serving):
    """The certificate is for that name alone, so the printed line leads it here."""
    port = free_port()
    _, log = serving("mystack", "--port", str(port))
    assert f"--resolve registry.example.com:{port}:127.0.0.1 https://registry.example.com:{port}/" in log.read_text()
    assert "pushes will fail" not in log.read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives a folder to another user")
def test_root_does_not_store_where_the_stack_s_registry_runs_as_another(stackgen, tmp_path):
    """It would leave files that the container can't change."""
    stackgen("init", "s", "--yes", "--set", "STORAGE_DIR=./data", "--https-port", free_port())
    told = stackgen("serve", "s", code=1).stderr
    assert "belongs to uid 10001" in told
    assert list((tmp_path / "s/data").iterdir()) == []
