"""A rendered stack as one Compose file that needs nothing beside it: what a published artifact holds. Pure.

The stack is planned once more for a consumer nobody knows yet (`for_anyone`), so that what is published is what is
rendered here: same services, same hardening. Then its folders become volumes that the one-shot service `init` fills
(docs/decisions/0081), and the values that only a consumer knows become variables that Compose asks for by name.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from stackgen.errors import StackgenError
from stackgen.folder import COMPOSE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stackgen.planning import StackPlan
    from stackgen.settings import StackSettings

# Stand in for what only a consumer knows while the stack is planned: an address and ports kept for documentation
# or unused, which no template holds by itself.
_HOST, _HTTPS_PORT, _HTTP_PORT = "203.0.113.61", 61439, 61438
_DOMAIN = "${SERVICE_DOMAIN:?write SERVICE_DOMAIN=registry.example.com into .env, the name that clients will use}"
_PROMETHEUS_PORT, _GRAFANA_PORT = 61437, 61436
_PROJECT = "project61435"
VARIABLES = {
    _HOST: _DOMAIN,
    _PROJECT: "${COMPOSE_PROJECT_NAME}",
    str(_HTTPS_PORT): "${HTTPS_PORT:-443}",
    str(_HTTP_PORT): "${HTTP_PORT:-80}",
    str(_PROMETHEUS_PORT): "${PROMETHEUS_PORT:-9090}",
    str(_GRAFANA_PORT): "${GRAFANA_PORT:-3000}",
}
# Never a part of something longer: a digest may hold any five digits.
_STAND_IN = re.compile(rf"(?<![0-9A-Za-z])(?:{'|'.join(map(re.escape, VARIABLES))})(?![0-9A-Za-z])")
_REGISTRY_USER = "10001:10001"
_CERTS, _CONFIG, _SECRETS = "./certs", "./config", "./secrets"
# A folder that a consumer may give instead of the volume that `init` fills; the target in `init` beside it.
_GIVEN = {_CERTS: ("${CERTS_DIR:-certs}", "/stack/certs"), _SECRETS: ("${SECRETS_DIR:-secrets}", "/stack/secrets")}
_STORAGE = "registry_data"
FOLDER_VARIABLES = frozenset({"CERTS_DIR", "SECRETS_DIR", "STORAGE_DIR"})
"""By these a consumer gives folders of the host; unset, volumes are used."""
_MODE_LABEL = "stackgen.config"
_HASH = 12


@dataclass(frozen=True, slots=True)
class Publication:
    """What the published file says of itself: its version and the secrets of profiles to make."""

    version: str
    registry_image: str
    profile_secrets: tuple[str, ...] = field(default_factory=tuple)
    project: str = "stackgen"
    """What the Compose project is called where the consumer says nothing."""


def for_anyone(settings: StackSettings, *, registry_image: str) -> StackSettings:
    """The publisher's tuning for a host, ports, folders and users that are the consumer's.

    StackgenError for tuning that could not be told from what stands in for these.
    """
    anyone = settings.model_copy(
        update={
            "compose_project_name": _PROJECT,
            "service_domain": _HOST,
            "https_port": _HTTPS_PORT,
            "http_port": _HTTP_PORT,
            "prometheus_port": _PROMETHEUS_PORT,
            "grafana_port": _GRAFANA_PORT,
            "registry_external_url": None,
            "bind_address": None,
            "trusted_proxies": (),
            "prometheus_alertmanager": None,
            "grafana_admin_user": "admin",
            "cadvisor_docker_socket": False,
            "compose_profiles": (),
            "registry_image": registry_image,
            "registry_version": None,
            "registry_user": _REGISTRY_USER,
            "secrets_gid": int(_REGISTRY_USER.partition(":")[2]),
            "storage_dir": None,
            "certs_dir": _CERTS,
            "configs_dir": _CONFIG,
            "tls": "local",
        }
    )
    for name in type(anyone).model_fields:
        value = getattr(anyone, name)
        if value == getattr(settings, name) and _STAND_IN.search(str(value)):
            raise StackgenError(
                f"{name.upper()}={value} can't be published: that very value stands in for one of the consumer's",
                hint=f"write another {name.upper()} into .env",
            )
    return anyone


def self_contained(plan: StackPlan, publication: Publication) -> bytes:
    """The Compose file of a plan made from `for_anyone`; equal plans give equal bytes."""
    project: dict[str, Any] = yaml.safe_load(plan.file(COMPOSE).content)
    folders = _Folders(plan, publication.profile_secrets)
    services = {name: _service(name, service, folders) for name, service in project["services"].items()}
    document = {
        "name": publication.project,
        "x-stackgen": {"version": publication.version},
        "services": {"init": _init(publication, folders), **services},
        "networks": project.get("networks") or {},
        "volumes": {**(project.get("volumes") or {}), **{name: {} for name in folders.volumes}},
        "configs": {name: {"content": text} for name, _, text in folders.configs},
    }
    text = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000)
    return (_HEAD.format(version=publication.version) + _insert_variables(text)).encode()


_HEAD = """\
# A private container registry, published by stackgen as version {version}: nothing is needed beside an .env with
#   SERVICE_DOMAIN=registry.example.com   the name that clients use (required)
#   COMPOSE_PROJECT_NAME=registry         prefix of containers and volumes
#   REGISTRY_VERSION={version}            optional: refuses to start as any other version
# and, where the defaults don't fit: HTTPS_PORT, HTTP_PORT, COMPOSE_PROFILES=observability, REGISTRY_ADMIN_USER, and
# STORAGE_DIR, CERTS_DIR, SECRETS_DIR (absolute paths) instead of volumes.
#   docker compose -f oci://… --env-file .env up -d --wait        (add -y in a script: Compose asks before it starts)
#   docker cp PROJECT-init-1:/stack/keep/admin_password .         (the first user's password)
#   docker cp PROJECT-init-1:/stack/certs/ca.crt .                (the authority that clients must trust)
"""


class _Folders:
    """Which volume, and what of it, stands for a folder of the stack; collects what was used."""

    def __init__(self, plan: StackPlan, profile_secrets: tuple[str, ...]) -> None:
        self._files = {one.path: one.content for one in plan.files}
        self._secret_folders = {path.partition("/")[0] for path in profile_secrets}
        self.volumes = ("certs", "config", "keep", "profile-secrets", "secrets")
        self.configs: list[tuple[str, str, str]] = []
        """(name, path below the stack's folder, content with variables still standing in)."""

    def mount(self, service: str, mount: dict[str, Any]) -> tuple[dict[str, Any] | str, str]:
        """A mount that replaces a bind of the stack's folder, and a hash of the configuration in it, if any."""
        source, target = mount["source"], mount["target"]
        if source in _GIVEN:
            return f"{_GIVEN[source][0]}:{target}:ro", ""
        folder = source.removeprefix("./").rstrip("/")
        if folder in self._secret_folders:
            return _subfolder("profile-secrets", folder, target), ""
        files = {path: content for path, content in self._files.items() if path.startswith(f"{folder}/")}
        if not files or mount.get("read_only") is not True:
            raise StackgenError(
                f"the service {service} mounts {source}, which a published stack can't carry",
                hint="a profile's folders must hold rendered files or secrets, mounted read-only",
            )
        return _subfolder("config", folder, target), self._take(files)

    def _take(self, files: Mapping[str, bytes]) -> str:
        total = hashlib.sha256()
        known = {path for _, path, _ in self.configs}
        for path, content in sorted(files.items()):
            text = content.decode().replace("$", "$$")
            digest = hashlib.sha256(text.encode()).hexdigest()
            total.update(f"{path}\0{digest}\0".encode())
            if path not in known:
                slug = re.sub(r"[^a-z0-9]+", "-", path.lower()).strip("-")
                self.configs.append((f"{slug}-{digest[:_HASH]}", path, text))
        return total.hexdigest()[:_HASH]


def _subfolder(volume: str, folder: str, target: str) -> dict[str, Any]:
    return {
        "type": "volume",
        "source": volume,
        "target": target,
        "read_only": True,
        "volume": {"nocopy": True, "subpath": folder},
    }


def _service(name: str, service: dict[str, Any], folders: _Folders) -> dict[str, Any]:
    """A service without anything that lies beside the Compose file, started when `init` is done."""
    mounts, hashes = [], []
    for mount in service.get("volumes") or []:
        replaced, configuration = _mount(name, mount, folders)
        mounts.append(replaced)
        hashes += [configuration] if configuration else []
    left = {key: value for key, value in service.items() if key not in {"build", "pull_policy", "volumes"}}
    left["depends_on"] = {"init": {"condition": "service_completed_successfully"}, **_depends_on(service)}
    if hashes:
        # Compose makes a container anew for another label, not for another content (docker/compose#13045); the
        # variables are in it because the content has them too.
        variables = f"{_HOST}:{_HTTPS_PORT}:{_HTTP_PORT}"
        left["labels"] = {**(service.get("labels") or {}), _MODE_LABEL: " ".join([*hashes, variables])}
    return {**left, "volumes": mounts} if mounts else left


def _mount(name: str, mount: dict[str, Any] | str, folders: _Folders) -> tuple[dict[str, Any] | str, str]:
    if isinstance(mount, str):
        raise StackgenError(f"the service {name} has the mount {mount!r} in short form", hint="write it in long form")
    if mount["type"] == "volume" and mount["source"] == _STORAGE:
        access = ":ro" if mount.get("read_only") else ""
        return f"${{STORAGE_DIR:-{_STORAGE}}}:{mount['target']}{access}", ""
    if mount["type"] == "bind" and mount["source"].startswith("."):
        return folders.mount(name, mount)
    return mount, ""


def _depends_on(service: dict[str, Any]) -> dict[str, Any]:
    given = service.get("depends_on") or {}
    return given if isinstance(given, dict) else {name: {"condition": "service_started"} for name in given}


def _init(publication: Publication, folders: _Folders) -> dict[str, Any]:
    """The one-shot service; built after all others, when it is known which files they need."""
    secrets = [argument for path in publication.profile_secrets for argument in ("--profile-secret", path)]
    return {
        "image": publication.registry_image,
        "command": [
            "registry", "init-stack", "--host", _HOST, "--user", "${REGISTRY_ADMIN_USER:-admin}",
            "--published-version", publication.version, "--asked-version", "${REGISTRY_VERSION:-}",
            "--project", "${COMPOSE_PROJECT_NAME}", *secrets,
        ],
        "user": _REGISTRY_USER,
        "restart": "no",
        "init": True,
        # Not read_only: Compose writes inline configs into the container's own layer (docker/compose#12031).
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "network_mode": "none",
        "environment": {
            "STACK_ADDRESS": f"{_HOST}:{_HTTPS_PORT}:{_HTTP_PORT}",
            **{name: f"${{{name}:-}}" for name in sorted(FOLDER_VARIABLES)},
        },
        "configs": [{"source": name, "target": f"/stack/incoming/{path}"} for name, path, _ in folders.configs],
        "volumes": [
            *(f"{source}:{target}" for source, target in _GIVEN.values()),
            *(f"{volume}:/stack/{volume}" for volume in ("config", "keep", "profile-secrets")),
        ],
        "deploy": {"resources": {"limits": {"memory": "256M", "pids": 64}}},
    }  # fmt: skip


def _insert_variables(text: str) -> str:
    return _STAND_IN.sub(lambda match: VARIABLES[match[0]], text)


class _Dumper(yaml.SafeDumper):
    """No aliases, and text of several lines as it is read."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        """Compose knows anchors, people who look at an artifact need not."""
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # YAML takes these for line breaks and gives back "\n" or a space, unless they are escaped in double quotes.
    style = '"' if any(char in text for char in "\r\x85\u2028\u2029") else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)
