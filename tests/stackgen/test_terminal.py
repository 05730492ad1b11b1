"""What is printed can be read on a terminal of 80 columns and pasted from it; in a pipe it is plain."""

from __future__ import annotations

import fcntl
import os
import re
import shlex
import struct
import subprocess
import sys
import termios

import click
from hypothesis import given
from hypothesis import strategies as st

from registry_app.cli import group as registry_group
from stackgen.cli import group as stackgen_group
from stackgen.cli.terminal import fold


def on_a_terminal(arguments, cwd, columns=80):
    """The lines that a command writes to a terminal of that width, without colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", sent_to_a_terminal(arguments, cwd, columns)).splitlines()


def sent_to_a_terminal(arguments, cwd, columns=80, **more):
    """All that a command sends to a terminal of that width."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environ = {
        name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES", "NO_COLOR", "TERM"}
    }
    environ |= {"TERM": "xterm"} | more
    with subprocess.Popen(
        [sys.executable, "-m", "stackgen", *arguments], cwd=cwd, env=environ, stdout=theirs, stderr=theirs, stdin=theirs
    ) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            shown += part
    os.close(ours)
    assert process.returncode == 0, shown
    return shown.decode().replace("\r\n", "\n")


def test_a_new_stack_s_next_steps_fit_on_80_columns(tmp_path):
    """But for single words that are longer; each command is the same when it is pasted."""
    lines = on_a_terminal(["init", "s", "--yes", "--domain", "registry.example.com"], tmp_path)
    for line in (line for line in lines if not line.startswith("note:")):
        assert len(line) <= 80 or " " not in line.strip().removesuffix(" \\"), line
    pasted = "\n".join(lines).replace("\\\n", "")
    install = "sudo install -Dm644 certs/ca.crt /etc/containers/certs.d/registry.example.com"
    assert install in " ".join(pasted.split())


def test_the_next_steps_of_a_local_stack_fit_too(tmp_path):
    """With the lines for containerd, which hold long words; and on a terminal that is very narrow, nothing breaks."""
    for columns in (80, 20):
        lines = on_a_terminal(["init", f"s{columns}", "--yes", "--project-name", f"team-{columns}"], tmp_path, columns)
        for line in (line for line in lines if not line.startswith("note:")):  # of a port that is in use here
            assert len(line) <= columns or re.fullmatch(r"""( {2,})?(# )?('[^']*'|"[^"]*"|\S+)( \\)?""", line), line
        pasted = " ".join("\n".join(lines).replace("\\\n", "").split())
        assert "| sudo tee /etc/containerd/certs.d/localhost:" in pasted


def test_who_wants_no_colours_gets_none(tmp_path):
    """NO_COLOR, and a terminal that knows no escapes; everybody else gets them."""
    arguments = ["settings", "HSTS"]
    assert "\x1b" in sent_to_a_terminal(arguments, tmp_path)
    assert "\x1b" not in sent_to_a_terminal(arguments, tmp_path, NO_COLOR="1")
    assert "\x1b" not in sent_to_a_terminal(arguments, tmp_path, TERM="dumb")


def help_pages():
    """Every command of both, as it is typed, with its page of help."""
    for name, group in (("stackgen", stackgen_group), ("registry", registry_group)):
        yield from pages_of(group, click.Context(group, info_name=name, terminal_width=80))


def pages_of(command, context):
    """A command's page, and those of the commands in it."""
    yield context.command_path, command.get_help(context)
    for name in command.list_commands(context) if isinstance(command, click.Group) else ():
        inner = command.get_command(context, name)
        yield from pages_of(inner, click.Context(inner, info_name=name, parent=context))


def test_every_page_of_help_fits_on_80_columns():
    """And its examples, folded, are the commands that they were."""
    pages = dict(help_pages())
    assert {"stackgen users add", "stackgen init", "registry trash list"} <= set(pages)
    for command, page in pages.items():
        assert [line for line in page.splitlines() if len(line) > 80] == [], command
    example = re.search(
        r"stackgen init mystack --domain registry\.example\.com --cert .*?privkey\.pem",
        pages["stackgen init"],
        re.DOTALL,
    )
    assert shlex.split(example[0].replace("\\\n", ""))[-4:] == ["--cert", "fullchain.pem", "--key", "privkey.pem"]


def test_a_pipe_gets_each_command_on_one_line(stackgen):
    """For scripts, and for whoever copies from a log."""
    told = stackgen("init", "s", "--yes").stdout
    assert "\\\n" not in told
    assert "\x1b" not in told
    (line,) = (line for line in told.splitlines() if "printf" in line)
    assert re.fullmatch(r"  printf '%s\\n' 'server = .*' '\[host\..*' 'ca = .*' \| sudo tee /etc/.*/hosts\.toml", line)


@given(
    words=st.lists(st.text("ab $\"'|#", min_size=1, max_size=30), min_size=1, max_size=12), columns=st.integers(1, 90)
)
def test_a_folded_command_is_the_same_command(words, columns):
    """Whatever its words hold; lines are as short as the words allow."""
    line = "  " + shlex.join(words)
    folded = fold(line, columns=columns)
    assert shlex.split("\n".join(folded).replace("\\\n", "")) == words  # as a shell reads a line that goes on
    assert fold(line, columns=None) == [line]


def test_another_port_outside_names_the_proxy_and_the_way_without_it(stackgen):
    """REGISTRY_EXTERNAL_URL is what clients type; the stack itself listens elsewhere."""
    url = "REGISTRY_EXTERNAL_URL=https://registry.example.com:9443"
    told = stackgen(
        "init", "s", "--yes", "--domain", "registry.example.com", "--https-port", 58443, "--set", url
    ).stdout
    assert "docker push registry.example.com:9443/team/app:1" in told
    assert "a proxy of yours in front" in told
    assert "docker login registry.example.com:58443" in told
