"""What a stack needs of this host: ports, a storage folder with the right owner, a group for its secrets."""

from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from stackgen.errors import StackgenError
from stackgen.shell import shell_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stackgen.folder import StackFolder
    from stackgen.settings import StackSettings

CONTAINER_ID = 10001
"""uid and gid of the registry's image."""
_LISTENING = "0A"
_ALTERNATIVES = {80: 8080, 443: 8443}
LAST_PORT = 65535


def operator_group() -> int:
    """The group that owns secret files: the caller's, or the container's own when root makes the stack."""
    return CONTAINER_ID if os.geteuid() == 0 else os.getgid()


def port_is_free(port: int, address: str | None) -> bool:
    """Whether nothing on this host listens on a port; needs no privilege for ports below 1024."""
    if port in _listening_ports():
        return False
    for family, any_address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):  # noqa: S104  (asks, doesn't serve)
        if address and (":" in address) != (family == socket.AF_INET6):
            continue
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address or any_address, port))
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    return False
    return True


def propose_port(wanted: int, is_free: Callable[[int], bool], *, taken: frozenset[int] = frozenset()) -> int:
    """The wanted port when it is free, else the next one that is; StackgenError when there is none."""
    for port in _candidates(wanted):
        if port not in taken and is_free(port):
            return port
    raise StackgenError("no free port was found", hint="name one: --https-port PORT --http-port PORT")


def _candidates(wanted: int) -> Iterator[int]:
    yield wanted
    start = _ALTERNATIVES.get(wanted, wanted + 1)
    yield from range(start, min(start + 1000, LAST_PORT + 1))


def _listening_ports() -> set[int]:
    """Ports that the kernel's own tables show as listening."""
    ports = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == _LISTENING:
                ports.add(int(fields[1].rsplit(":", 1)[1], 16))
    return ports


def prepare_storage(folder: StackFolder, settings: StackSettings) -> None:
    """Makes STORAGE_DIR with the owner that the registry runs as; StackgenError when it would not be writable."""
    if settings.storage_dir is None:
        return
    # Absolute, for the commands that we print; and without the folder in which a new stack is made.
    place = Path(os.path.normpath(folder.resolve(settings.storage_dir).absolute()))
    uid, gid = (int(part) for part in settings.registry_user.split(":"))
    if reason := _why_no_folder(place):
        raise _useless(settings, f"can't be used: {reason}", "write the path of a folder, or of none")
    try:
        made = not place.exists()
        place.mkdir(mode=0o750, parents=True, exist_ok=True)
        if made and os.geteuid() == 0:
            os.chown(place, uid, gid)
    except PermissionError as error:
        make = shell_line("sudo", "install", "-d", "-o", str(uid), "-g", str(gid), "-m", "750", place)
        raise _useless(settings, f"can't be made: {error.strerror}", f"make it yourself: {make}") from None
    except OSError as error:
        raise _useless(
            settings, f"can't be made: {error.strerror}", "choose a place where folders can be made"
        ) from None
    _refuse_unwritable(place, settings, uid, gid)


def _refuse_unwritable(place: Path, settings: StackSettings, uid: int, gid: int) -> None:
    """StackgenError for a folder that the registry could not write into."""
    if os.statvfs(place).f_flag & os.ST_RDONLY:
        look = shell_line("findmnt", "--target", place)
        raise _useless(
            settings, "lies on a file system that is mounted read-only", f"choose another place; see: {look}"
        )
    found = place.stat()
    if found.st_uid != uid:
        instead = f"; or set REGISTRY_USER={found.st_uid}:{found.st_gid}" if found.st_uid and found.st_gid else ""
        raise _useless(
            settings,
            f"belongs to uid {found.st_uid}, and the registry runs as {uid}",
            shell_line("sudo", "chown", "-R", f"{uid}:{gid}", place) + instead,
        )
    if found.st_mode & stat.S_IRWXU != stat.S_IRWXU:
        raise _useless(
            settings,
            f"has mode {stat.S_IMODE(found.st_mode):04o}: its owner may not do everything there",
            shell_line("sudo", "chmod", "u+rwx", place),
        )


def _useless(settings: StackSettings, reason: str, remedy: str) -> StackgenError:
    return StackgenError(f"STORAGE_DIR {settings.storage_dir} {reason}", hint=remedy)


def _why_no_folder(place: Path) -> str:
    """What stands in the way of a folder there; empty when nothing does, or when that can't be seen."""
    try:
        for one in (place, *place.parents):
            if one.is_symlink() and not one.exists():
                return f"{one} is a link to {one.readlink()}, which is not there"
            if one.exists():
                return "" if one.is_dir() else f"{one} is a file"
    except OSError:
        return ""
    return ""
