"""A Docker Engine that answers: the one that is there, else one of Debian's, started and stopped by us."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from . import debian
from .machine import MachineError, answers, cache_folder, require_debian_root, run, say

if TYPE_CHECKING:
    from collections.abc import Callable

_ASK = ["docker", "version", "--format", "{{.Server.Version}}"]
_ASK_MIRRORS = ["docker", "info", "--format", "{{.RegistryConfig.Mirrors}}"]
_SOCKET = "unix:///var/run/docker.sock"
_EXEC_ROOT = "/run/stackgen-engine"
_PACKAGES = "docker.io,iptables,ca-certificates"
_PATIENCE = 60.0  # seconds for a daemon to answer
_ENTER_ROOT = Path(__file__).with_name("enter-root.sh")


def ensure() -> None:
    """Make `docker version` tell an engine's. Raises MachineError with what every way that was tried said."""
    _ensure_client()
    if answers(_ASK):
        say(f"Docker Engine {version()} answers")
        return
    require_debian_root()
    said: list[str] = []
    for name, command_of in _WAYS.items():
        try:
            _start(command_of(), data=cache_folder() / f"data-{name}")
        except MachineError as problem:
            say(f"{name}: {problem}")
            said.append(f"{name}: {problem}")
        else:
            say(f"Docker Engine {version()} of Debian {name} runs, log in {_log()}")
            return
    raise MachineError("no Docker Engine could be started\n" + "\n".join(said))


def version() -> str:
    """The version of the engine that answers. Raises MachineError where none does."""
    return run(_ASK, within=20).strip()


def stop() -> bool:
    """End the daemon that `ensure` started, and no other; False where there is none."""
    pid = _running_pid()
    if pid is None:
        return False
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _PATIENCE
    while _running_pid() == pid:
        if time.monotonic() > deadline:
            raise MachineError(
                f"the daemon (process {pid}) did not end within {_PATIENCE:.0f} s of SIGTERM: see {_log()}"
            )
        time.sleep(0.2)
    return True


def set_mirror(address: str | None) -> None:
    """Let the daemon that `ensure` started ask a mirror of Docker Hub first, or (None) no longer. It goes on running.

    Raises MachineError for any other daemon: its settings are its owner's.
    """
    pid = _running_pid()
    if pid is None:
        raise MachineError("the engine is not one that scripts/engine started: it keeps its settings")
    settings = Path("/etc/docker/daemon.json")
    content = json.loads(settings.read_text()) if settings.exists() else {}
    content["registry-mirrors"] = [address] if address else []
    settings.write_text(json.dumps(content, indent=2) + "\n")
    os.kill(pid, signal.SIGHUP)
    deadline = time.monotonic() + _PATIENCE
    while (address or "") not in run(_ASK_MIRRORS, within=20):
        if time.monotonic() > deadline:
            raise MachineError(f"the daemon did not take the mirror {address}: see {_log()}")
        time.sleep(0.1)


def _ensure_client() -> None:
    if shutil.which("docker"):
        return
    require_debian_root()
    program = debian.unpack("docker-cli", "sid") / "usr/bin/docker"
    Path("/usr/local/bin/docker").symlink_to(program)
    say("put the docker client into /usr/local/bin")


def _of_release(suite: str) -> list[str]:
    """The command that runs the dockerd of another Debian release."""
    if not all(Path(name).is_symlink() for name in ("/bin", "/sbin", "/lib")):
        raise MachineError("this system's /bin is no link into /usr")
    root = debian.bootstrap(suite, cache_folder() / f"engine-{suite}", include=_PACKAGES)
    # As systemd does at boot: what is mounted later (a STORAGE_DIR of its own, say) reaches the daemon too.
    run(["mount", "--make-rshared", "/"], within=10)
    return ["unshare", "--mount", "--propagation", "slave", str(_ENTER_ROOT), str(root), "dockerd"]


def _of_this_release() -> list[str]:
    """The command that runs this release's own dockerd, installed without being started by anyone else."""
    if not shutil.which("dockerd"):
        policy = Path("/usr/sbin/policy-rc.d")
        if not policy.exists():
            policy.write_text("#!/bin/sh\nexit 101\n")
            policy.chmod(0o755)
        debian.install("docker.io", "iptables")
    return ["dockerd"]


# Newest first: live tests belong on an engine that users have.
_WAYS: dict[str, Callable[[], list[str]]] = {
    "sid": lambda: _of_release("sid"),
    "trixie": lambda: _of_release("trixie"),
    "as installed": _of_this_release,
}


def _start(command: list[str], *, data: Path) -> None:
    """Start a daemon that outlives us, and wait until it answers. One that does not is ended again."""
    if _running_pid() is not None:
        raise MachineError(f"the daemon that was started before runs and does not answer: see {_log()}")
    # Left by a machine that was switched off: the numbers may be other processes' by now.
    _pid_file().unlink(missing_ok=True)
    containerd = Path(_EXEC_ROOT) / "containerd" / "containerd.pid"
    if _pid_in(containerd, of=str(containerd.with_name("containerd.toml"))) is None:
        containerd.unlink(missing_ok=True)
    options = ["--host", _SOCKET, "--data-root", str(data), "--exec-root", _EXEC_ROOT, "--pidfile", str(_pid_file())]
    with _log().open("wb") as log:
        daemon = subprocess.Popen(
            [*command, *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
        )
    deadline = time.monotonic() + _PATIENCE
    while not answers(_ASK):
        if daemon.poll() is not None or time.monotonic() > deadline:
            _end(daemon)
            raise MachineError(f"dockerd did not come up; the end of its log:\n{_end_of_log()}")
        time.sleep(0.3)


def _end(daemon: subprocess.Popen[bytes]) -> None:
    daemon.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        daemon.wait(20)
    daemon.kill()


def _end_of_log() -> str:
    return "\n".join(_log().read_text(errors="replace").splitlines()[-12:])


def _log() -> Path:
    return cache_folder() / "dockerd.log"


def _pid_file() -> Path:
    return cache_folder() / "dockerd.pid"


def _running_pid() -> int | None:
    """The process id of the daemon of ours that runs now."""
    return _pid_in(_pid_file(), of=str(_pid_file()))


def _pid_in(file: Path, *, of: str) -> int | None:
    """The process id in a file, if it still is the process that has the word `of` on its command line."""
    try:
        pid = int(file.read_text())
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return pid if of.encode() in words else None
