"""Files that people name are read whole and bounded; what is no file is refused in words, at once."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from registry_app import regular_files
from registry_app.regular_files import read_named


def test_a_file_and_what_leads_to_one_are_read(tmp_path):
    """A link, and a file of the kernel's, which has no size."""
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    assert read_named(tmp_path / "link") == b"content"
    assert read_named(Path("/proc/self/status")).startswith(b"Name:")


def test_a_pipe_stands_for_a_file(tmp_path):
    """As a shell's <(command) does, and /dev/stdin, however slowly the command writes."""
    code = "import sys; from pathlib import Path; from registry_app.regular_files import read_named\n"
    code += "print(len(read_named(Path('/dev/stdin'))))"
    slow = f'(sleep 0.2; head -c 100000 /dev/zero) | {sys.executable} -c "{code}"'
    assert subprocess.run(["sh", "-c", slow], capture_output=True, check=True).stdout == b"100000\n"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.mkdir(), "it is a folder"),
        (lambda path: path.symlink_to("/dev/zero"), "it is a device"),
        (lambda path: path.symlink_to("/dev/null"), "it is a device"),
        (lambda path: path.symlink_to("nowhere"), "No such file"),
        (lambda path: os.truncate(os.open(path, os.O_CREAT | os.O_WRONLY), 10 << 30), "more than 1 MiB"),
    ],
)
def test_what_is_no_file_is_refused_in_words(tmp_path, make, reason):
    """Ten gigabytes are not read to be refused."""
    make(tmp_path / "named")
    with pytest.raises(OSError, match=reason):
        read_named(tmp_path / "named")


def test_a_socket_is_no_file(tmp_path):
    """The kernel's own words will do."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        with pytest.raises(OSError, match="No such device"):
            read_named(tmp_path / "socket")


def test_a_pipe_that_is_silent_or_endless_is_given_up(tmp_path, monkeypatch):
    """The first after a while, whether somebody has it open or nobody; the second at the limit."""
    monkeypatch.setattr(regular_files, "PATIENCE", 0.05)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="nothing came out of this pipe"):
        read_named(tmp_path / "pipe")
    reading, writing = os.pipe()
    try:
        with pytest.raises(OSError, match="nothing came out of this pipe"):
            read_named(Path(f"/dev/fd/{reading}"))
        os.write(writing, b"more than ten bytes")
        with pytest.raises(OSError, match="holds more than"):
            read_named(Path(f"/dev/fd/{reading}"), limit=10)
    finally:
        os.close(reading)
        os.close(writing)
