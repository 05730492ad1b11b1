"""What in a stranger's Compose file reaches out of its containers. Pure; the input is not trusted.

Told is whatever is not known to stay inside: Compose learns new words with each version, and a list of the dangerous
ones would be out of date. So `_INSIDE` names the harmless ones (Compose Specification, "Services top-level elements").
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from stackgen.publishing.self_contained import FOLDER_VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterator

# fmt: off
_INSIDE = frozenset({
    "annotations", "attach", "cap_drop", "command", "configs", "container_name", "cpu_count", "cpu_percent",
    "cpu_period", "cpu_quota", "cpu_shares", "cpus", "cpuset", "depends_on", "deploy", "dns", "dns_opt",
    "dns_search", "domainname", "entrypoint", "environment", "expose", "extra_hosts", "group_add", "healthcheck",
    "hostname", "image", "init", "labels", "links", "logging", "mem_limit", "mem_reservation", "mem_swappiness",
    "memswap_limit", "network_mode", "networks", "pids_limit", "platform", "ports", "profiles", "pull_policy",
    "read_only", "restart", "scale", "secrets", "security_opt", "shm_size", "stdin_open", "stop_grace_period",
    "stop_signal", "tmpfs", "tty", "ulimits", "user", "volumes", "working_dir",
})
# fmt: on
_TOP = frozenset({"name", "version", "services", "networks", "volumes", "configs", "secrets"})
# What a service may say of sharing with the host without sharing anything.
_NOTHING: tuple[object, ...] = (None, False, "", "private", [], {})
_OWN_NETWORK = re.compile(r"none|bridge|service:.*")
_TIGHTENING = re.compile(r"no-new-privileges(?:[:=]true)?")
_VOLUME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_GIVEN_FOLDER = re.compile(rf"\$\{{(?:{'|'.join(sorted(FOLDER_VARIABLES))}):?-{_VOLUME.pattern}\}}")
_BRACED = re.compile(r"\$\{[^}]*\}")
_SOCKET = re.compile(r"(docker|podman|containerd)[^/]*\.sock")
_WORDS = 120


def find_reach(project: dict[str, Any]) -> Iterator[str]:
    """A line for everything that reaches out: mounts of the host, the engine's socket, privileges, other files."""
    for key in sorted(map(str, set(project) - _TOP)):
        if not key.startswith("x-"):
            yield f"{key}: {_shown(project[key])}"
    for name, service in project["services"].items():
        yield from _of_service(str(name), service)
    for name, volume in (project.get("volumes") or {}).items():
        yield from _of_definition(f"volume {name}", volume, ordinary={"name", "labels"}, driver="local")
    for name, network in (project.get("networks") or {}).items():
        ordinary = {"name", "labels", "internal", "driver_opts", "ipam", "attachable", "enable_ipv4", "enable_ipv6"}
        yield from _of_definition(f"network {name}", network, ordinary=ordinary, driver="bridge")
    for kind in ("configs", "secrets"):
        for name, source in (project.get(kind) or {}).items():
            yield from _of_definition(f"{kind[:-1]} {name}", source, ordinary={"name", "content", "labels"})


def inherited(service: dict[str, Any]) -> list[str]:
    """Names that a service gets from the environment of whoever starts it: given without a value."""
    given = service.get("environment") or {}
    if isinstance(given, dict):
        return [str(name) for name, value in given.items() if value is None]
    return [str(one) for one in given if "=" not in str(one)]


def _of_service(name: str, service: dict[str, Any]) -> Iterator[str]:
    for key in sorted(map(str, set(service) - _INSIDE)):
        if not key.startswith("x-") and service[key] not in _NOTHING:
            yield f"{name}: {key}={_shown(service[key])}"
    mode = service.get("network_mode")
    if mode == "host":
        yield f"{name}: uses the host's network"
    elif mode is not None and not _OWN_NETWORK.fullmatch(str(mode)):
        yield f"{name}: network_mode={_shown(mode)}"
    if loose := [one for one in service.get("security_opt") or () if not _TIGHTENING.fullmatch(str(one))]:
        yield f"{name}: security_opt={_shown(loose)}"
    reserved = ((service.get("deploy") or {}).get("resources") or {}).get("reservations") or {}
    if reserved.get("devices"):
        yield f"{name}: devices={_shown(reserved['devices'])}"
    for mount in service.get("volumes") or ():
        yield from _of_mount(name, mount)


def _of_mount(name: str, mount: object) -> Iterator[str]:
    long = mount if isinstance(mount, dict) else {"source": _source(str(mount)), "type": "volume"}
    kind, source = long.get("type"), str(long.get("source") or "")
    if kind == "tmpfs":
        return
    if _SOCKET.search(source):
        yield f"{name}: mounts the engine's socket {source}, which is as good as root"
    elif kind == "volume" and (not source or _VOLUME.fullmatch(source) or _GIVEN_FOLDER.fullmatch(source)):
        return
    else:
        yield f"{name}: mounts {_shown(source)} of the host"


def _source(mount: str) -> str:
    """What stands before the first colon of `source:target[:mode]`, empty for a target alone.

    A variable may have a default, and with it a colon, of its own.
    """
    end = _BRACED.sub(lambda match: "_" * len(match[0]), mount).find(":")
    return mount[: max(end, 0)]


def _of_definition(what: str, given: object, *, ordinary: set[str], driver: str | None = None) -> Iterator[str]:
    """What a volume, network, config or secret takes from outside of the file."""
    for key, value in (given if isinstance(given, dict) else {}).items():
        usual = key in ordinary or (key == "driver" and value == driver)
        if not usual and not str(key).startswith("x-") and value not in _NOTHING:
            yield f"{what}: {key}={_shown(value)}"


def _shown(value: object) -> str:
    """A value in a few words."""
    text = str(value)
    return text if len(text) <= _WORDS else f"{text[:_WORDS]}…"
