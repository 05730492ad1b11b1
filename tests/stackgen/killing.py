"""Where a program can be killed, and what it leaves: each system call of a traced run, by strace."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stackgen.folder import StackFolder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# What changes files; `?` for those that not every machine's kernel has.
_CHANGING = (
    *(
        "open",
        "openat",
        "openat2",
        "creat",
        "rename",
        "renameat",
        "renameat2",
        "link",
        "linkat",
        "symlink",
        "symlinkat",
    ),
    *("unlink", "unlinkat", "rmdir", "mkdir", "mkdirat", "mknod", "mknodat", "write", "pwrite64", "writev", "pwritev"),
    *("pwritev2", "truncate", "ftruncate", "fallocate"),
    *("chmod", "fchmod", "fchmodat", "chown", "lchown", "fchown", "fchownat", "utimensat", "fsync", "fdatasync"),
)
# A stop would interrupt these for ever; what they did is seen at the next call.
_COPYING = ("sendfile", "copy_file_range", "splice")
# In a log of `strace -y`: what others can see, in files, over the network, as processes. Between two of these calls
# a kill leaves what it leaves at the second.
_SENDING = ("connect", "sendto", "sendmsg", "sendmmsg", "shutdown")
_STARTING = ("kill", "fork", "vfork", "clone", "clone3", "execve")
CHANGING = ",".join(f"?{call}" for call in _CHANGING)
"""For strace: what changes files."""
TELLING = ",".join(f"?{call}" for call in _SENDING)
"""For strace: what is seen over the network. (A stop would restart a fork for ever.)"""
VISIBLE = re.compile(
    rf"(?:{'|'.join([call for call in _CHANGING if not call.startswith('open')] + [*_COPYING, *_SENDING, *_STARTING])})\("
    r"|open\w*\(.*O_(?:CREAT|TRUNC)|close\(\d+<(?:socket|TCP|UNIX|pipe)"
)


Entry = tuple[int, tuple[int, int], bytes | str | None]
"""Mode, owner and content; the content of a link is where it leads, that of a folder None."""
# Within one tick of the kernel's clock a file can change without another time of change.
_TICK_NANOSECONDS = 20_000_000


@dataclass(frozen=True, slots=True)
class State:
    """A folder as it is at one moment, by name. `call`: the last system call before, as strace writes it."""

    call: str
    files: dict[str, Entry]

    def restore(self, place: Path) -> None:
        """Makes the folder anew, which must not be there."""
        place.mkdir()
        for name, (mode, owner, content) in sorted(self.files.items()):
            path = place / name
            if isinstance(content, str):
                path.symlink_to(content)
                continue
            if content is None:
                path.mkdir()
            else:
                path.write_bytes(content)
            os.chown(path, *owner)
            path.chmod(mode & 0o7777)


class Reader:
    """Reads a folder again and again; a file anew only where it may have changed."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: dict[str, tuple[tuple[int, ...], Entry]] = {}

    def read(self, call: str = "") -> State:
        """What lies in the folder now."""
        seen: dict[str, tuple[tuple[int, ...], Entry]] = {}
        self._walk(str(self._root), "", seen, time.time_ns() - _TICK_NANOSECONDS)
        self._known = seen
        return State(call, {name: entry for name, (_, entry) in seen.items()})

    def _walk(self, folder: str, prefix: str, seen: dict[str, tuple[tuple[int, ...], Entry]], settled: int) -> None:
        with os.scandir(folder) as entries:
            for one in entries:
                name, facts = prefix + one.name, one.stat(follow_symlinks=False)
                key = (facts.st_ino, facts.st_mode, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
                known = self._known.get(name)
                if known is not None and known[0] == key and facts.st_ctime_ns < settled:
                    seen[name] = known
                else:
                    content = (
                        str(Path(one).readlink())
                        if one.is_symlink()
                        else None
                        if one.is_dir()
                        else Path(one).read_bytes()
                    )
                    seen[name] = (key, (facts.st_mode, (facts.st_uid, facts.st_gid), content))
                if one.is_dir(follow_symlinks=False):
                    self._walk(one.path, f"{name}/", seen, settled)


def states_of(command: Sequence[str], root: Path, *, environment: dict[str, str]) -> Iterator[State]:
    """Every state of a folder that a kill of this command can leave, each once: it is stopped after each such call.

    A killed process changes nothing any more, and its locks end with it: what lies there at a stop is what a kill leaves.
    """
    reader = Reader(root)
    last = reader.read()
    yield last
    for call in stops_of(command, CHANGING, folder=root, environment=environment):
        if "O_RDONLY" not in call or "O_CREAT" in call:
            state = reader.read(call)
            if state.files != last.files:
                yield state
                last = state


def stops_of(command: Sequence[str], calls: str, *, folder: Path, environment: dict[str, str]) -> Iterator[str]:
    """Each of these calls of a command, as strace writes it, while the command is stopped behind it.

    Not of what it starts, which outlives a kill. AssertionError where it fails.
    """
    reading, writing = os.pipe()
    options = ["-o", f"/dev/fd/{writing}", "-e", f"trace={calls}", "-e", f"inject={calls}:signal=SIGSTOP"]
    process = subprocess.Popen(
        ["strace", *options, *command], cwd=folder, env=environment, pass_fds=[writing],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    os.close(writing)
    call = ""
    try:
        with os.fdopen(reading, errors="replace") as log:
            for line in log:
                if line.startswith("--- stopped by SIGSTOP"):
                    yield call
                    traced = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0]
                    os.kill(int(traced), signal.SIGCONT)
                elif re.match(r"\w+\(", line):
                    call = line.rstrip()
        _, complaint = process.communicate()
        assert process.returncode == 0, complaint
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def stacks_left(folder: StackFolder, tmp_path: Path, *arguments: str) -> Iterator[StackFolder]:
    """The stack as each kill of a command of ours leaves it, by itself and for the length of one turn."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    tried = 0
    for state in states_of([sys.executable, "-B", "-m", "stackgen", *arguments], folder.root, environment=environment):
        tried += 1
        place = tmp_path / "killed"
        state.restore(place)
        yield StackFolder(place)
        shutil.rmtree(place)
    print(f"{tried} states tried")  # noqa: T201 - a person should know
    assert tried > 10


def points_of(log: Path, telling: re.Pattern[str] | None = None) -> list[tuple[str, int]]:
    """(system call, its number among those of that name) in the order of a log of `strace -o`, of its first process.

    strace counts each call by itself: `when=` alone would never reach most of them. `telling` finds the lines that are
    meant, all if not given.
    """
    found: list[tuple[str, int]] = []
    seen: Counter[str] = Counter()
    first = None
    for line in log.read_text(errors="replace").splitlines():
        match = re.match(r"(?:(\d+) +)?(\w+)\(", line)
        if match is None:
            continue
        first = first or match[1]
        if match[1] == first:
            seen[match[2]] += 1
            if telling is None or telling.match(line, match.start(2)):
                found.append((match[2], seen[match[2]]))
    return found


def kill_at(point: tuple[str, int]) -> list[str]:
    """Options of strace for a kill at the entry of that call."""
    call, number = point
    return ["-e", f"inject={call}:signal=SIGKILL:when={number}"]
