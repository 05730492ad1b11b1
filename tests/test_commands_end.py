"""Both commands end well whenever and however they are stopped: Ctrl-C at any moment, output that nobody takes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

# Sends a real Ctrl-C to its own process at the MOMENT-th thing that Python tells its auditors of (imports, files,
# processes) after the command's own first line, so that every moment can be chosen and comes again.
SITECUSTOMIZE = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that runs the tests with `&` has it ignored
seen = 0
def audit(event, _):
    global seen
    if seen or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        seen += 1
        if seen == int(os.environ["MOMENT"]):
            os.kill(os.getpid(), signal.SIGINT)
sys.addaudithook(audit)
"""
MOMENTS = (1, 3, 10, 30, 100, 200, 400, 700, 1100, 1600, 2200)


def run(module, *arguments, cwd, **how):
    """One of the commands as a process of its own."""
    how = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL} | how
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, text=True, check=False, timeout=60, **how)


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """A folder with a stack, and a configuration of the registry's."""
    folder = tmp_path_factory.mktemp("ends")
    assert run("stackgen", "init", "s", "--yes", cwd=folder).returncode == 0
    (folder / "data").mkdir()
    config = f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder / 'data'}}}}}\nhttp: {{addr: ':0'}}\n"
    (folder / "config.yml").write_text(config)
    return folder


@pytest.mark.parametrize(
    "command", [("stackgen", "plan", "s"), ("registry_app", "garbage-collect", "--dry-run", "config.yml")]
)
def test_ctrl_c_at_any_moment_ends_a_command_without_a_traceback(stack, tmp_path, command):
    """From its first line on: 130 and at most one short line; or the command had ended already."""
    (tmp_path / "sitecustomize.py").write_text(SITECUSTOMIZE)
    codes = []
    for moment in MOMENTS:
        environ = os.environ | {"PYTHONPATH": str(tmp_path), "MOMENT": str(moment)}
        done = run(*command, cwd=stack, env=environ)
        assert done.stderr in {"", "stopped\n"}, (moment, done.stderr)
        codes.append(done.returncode)
    assert set(codes) <= {0, 130}
    assert codes[:5] == [130] * 5


LISTINGS = [
    ("stackgen", "settings"),
    ("stackgen", "profiles", "list", "s"),
    ("stackgen", "users", "list", "s", "--json"),
    ("registry_app", "--help"),
    ("registry_app", "check", "config.yml"),
]


@pytest.mark.parametrize("command", LISTINGS, ids=" ".join)
def test_output_that_nobody_takes_is_no_bug(stack, command):
    """A full disk is told; a reader that went away, as `head` does, and a closed output are nothing to talk about."""
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = run(*command, cwd=stack, stdout=full)
    assert done.stderr.startswith("error: the output can't be written: No space left on device\n")
    assert "Exception ignored" not in done.stderr
    assert done.returncode == 1
    reading, writing = os.pipe()
    os.close(reading)
    done = run(*command, cwd=stack, stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")
    closed = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-m", *command],
        cwd=stack, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    assert (closed.returncode, closed.stderr) == (0, "")


@pytest.mark.parametrize("how", [{"stderr": "/dev/full"}, {"stdout": "/dev/full", "stderr": "/dev/full"}])
def test_an_error_that_can_not_be_written_keeps_its_code(tmp_path, how):
    """There is no stack here, and nobody who could be told."""
    opened = {name: open(path, "w") for name, path in how.items()}  # noqa: PTH123, SIM115
    assert run("stackgen", "plan", cwd=tmp_path, **opened).returncode == 1
    for file in opened.values():
        file.close()


def test_a_terminal_that_knows_few_letters_gets_every_line(stack):
    """What it can't show is written as in Python's strings."""
    environ = os.environ | {"PYTHONIOENCODING": "latin-1:strict", "DOCKER_HOST": "unix:///nowhere"}
    done = run("stackgen", "doctor", "s", cwd=stack, env=environ)
    assert done.returncode == 1
    assert r"\u2192 " in done.stdout
