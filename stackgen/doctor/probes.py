"""Finds the doctor's facts: asks the engine, the file system, the resolver and the running stack. Changes nothing."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import warnings
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.utils import CryptographyDeprecationWarning

from stackgen import hosts, values
from stackgen.certificate_pair import load_chain
from stackgen.certificates import find_ca_problem, find_stack_faults, stack_pair
from stackgen.cli.next_steps import trust_places
from stackgen.docker import SILENT, Answer, ask, compose, find_trouble, installed
from stackgen.doctor import facts
from stackgen.errors import StackgenError
from stackgen.hosting import port_is_free
from stackgen.profiles import kept_secrets, load_profiles
from stackgen.registry_config import MOUNTED_SECRETS
from stackgen.rotation.secrets import load_users
from stackgen.secret_files import is_gone

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from stackgen.folder import StackFolder
    from stackgen.settings import StackSettings

_SECONDS = 20
_SYSTEM_STORES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


def probe_docker(*, environ: Mapping[str, str]) -> facts.Docker:
    """The docker command, the engine behind it, and Compose."""
    if not installed():
        return facts.Docker(installed=False)
    asked = dt.datetime.now(dt.UTC)
    answer = ask("info", "--format", "{{json .}}", seconds=_SECONDS)
    info = _json(answer.out)
    version = ask("compose", "version", "--short", seconds=_SECONDS)
    if info.get("ServerVersion"):
        found, silence = _engine(info, asked, environ), None
    else:
        why = answer.err or " ".join(map(str, info.get("ServerErrors") or ()))
        found, silence = None, find_trouble(Answer(answer.code, "", why)) if why else SILENT
    return facts.Docker(
        installed=True, engine=found, silence=silence, compose=_version(version.out) if version.ok else None
    )


def _engine(info: dict[str, Any], asked: dt.datetime, environ: Mapping[str, str]) -> facts.Engine:
    options = " ".join(info.get("SecurityOptions") or ())
    registries = info.get("RegistryConfig") or {}
    hosts = [name for name, one in (registries.get("IndexConfigs") or {}).items() if not one.get("Secure", True)]
    try:
        ahead = (dt.datetime.fromisoformat(info["SystemTime"]) - asked).total_seconds()
    except (KeyError, ValueError, TypeError):
        ahead = 0.0
    return facts.Engine(
        version=_version(info["ServerVersion"]) or (0, 0),
        rootless="name=rootless" in options,
        remapped="name=userns" in options,
        insecure=(*hosts, *(registries.get("InsecureRegistryCIDRs") or ())),
        clock_ahead=ahead,
        endpoint=_endpoint(info, environ),
    )


def _endpoint(info: dict[str, Any], environ: Mapping[str, str]) -> str:
    """Where the docker command reaches its engine; the usual socket unless DOCKER_HOST or a context say otherwise."""
    if host := environ.get("DOCKER_HOST"):
        return host
    if (info.get("ClientInfo") or {}).get("Context", "default") == "default":
        return "unix://"
    asked = ask("context", "inspect", "--format", "{{.Endpoints.docker.Host}}", seconds=_SECONDS)
    return asked.out.strip() or "unix://"


def probe_services(folder: StackFolder) -> tuple[facts.Service, ...] | None:
    """Every container of the stack as Compose lists it; None where Compose can't say."""
    answer = compose(folder, "ps", "--all", "--format", "json", seconds=_SECONDS)
    if not answer.ok:
        return None
    try:
        rows = [json.loads(line) for line in answer.out.splitlines() if line.strip()]
        flat = [one for row in rows for one in (row if isinstance(row, list) else [row])]
        return tuple(
            facts.Service(
                name=one["Service"],
                state=one["State"],
                health=one.get("Health") or "",
                exit_code=int(one["ExitCode"]),
                status=one["Status"],
                folder=_label(one.get("Labels") or "", "com.docker.compose.project.working_dir"),
            )
            for one in flat
        )
    except (ValueError, KeyError, TypeError):
        return None


def _label(labels: str, name: str) -> str:
    """A label's value from the list that Compose prints, `name=value,name=value`."""
    return next((part.partition("=")[2] for part in labels.split(",") if part.startswith(f"{name}=")), "")


def expected_services(folder: StackFolder) -> frozenset[str]:
    """The services that `docker compose up` starts with the profiles of .env; none where Compose can't say."""
    answer = compose(folder, "config", "--services", seconds=_SECONDS)
    return frozenset(answer.out.split()) if answer.ok else frozenset()


def probe_build(folder: StackFolder, settings: StackSettings, *, engine: bool) -> facts.Build:
    """What `docker compose up` would build the registry's image with, where it has to; the image only if asked for."""
    if settings.registry_image:
        return facts.Build()
    authority = settings.build_extra_ca or ""
    reason = find_ca_problem(folder.resolve(authority)) if authority else ""
    image = compose(folder, "config", "--images", "registry", seconds=_SECONDS).out.split() if engine else []
    built = not image or ask("image", "inspect", "--format", "{{.Id}}", image[0], seconds=_SECONDS).ok
    return facts.Build(authority, reason, "" if built else image[0])


def probe_ports(settings: StackSettings) -> tuple[facts.Port, ...]:
    """What the stack publishes."""
    wanted = {"HTTPS_PORT": settings.https_port}
    if settings.proxy == "nginx" and settings.http_port:
        wanted["HTTP_PORT"] = settings.http_port
    address = settings.bind_address
    return tuple(facts.Port(name, port, not port_is_free(port, address), address) for name, port in wanted.items())


def probe_name(settings: StackSettings) -> facts.Name:
    """How this machine resolves the registry's host."""
    return facts.Name(settings.host, _resolve(settings.host), _own_addresses())


def _resolve(host: str) -> tuple[str, ...]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return ()
    return tuple(dict.fromkeys(str(one[4][0]).partition("%")[0] for one in found))


def _own_addresses() -> frozenset[str]:
    addresses = _run(["ip", "-json", "address"])
    try:
        return frozenset(a["local"] for link in json.loads(addresses.stdout) for a in link.get("addr_info", ()))
    except (ValueError, KeyError, TypeError):
        return frozenset({"127.0.0.1", "::1", *_resolve(socket.gethostname())})


def probe_certificates(folder: StackFolder, settings: StackSettings, *, now: dt.datetime) -> facts.Certificates:
    """CERTS_DIR, the authorities known here, and what a running stack serves."""
    pair = stack_pair(folder, settings)
    certs = folder.resolve(settings.certs_dir)
    # Either copy will do: where one is missing or empty, render puts it back.
    own = [one for place in (folder.authority, certs) for one in load_certificates(place / "ca.crt")]
    return facts.Certificates(
        str(pair.chain.path),
        faults=find_stack_faults(folder, settings, now),
        chain=load_chain(pair),
        anchors=(*system_authorities(), *own),
        served=_served(settings),
    )


def probe_chain(folder: StackFolder, settings: StackSettings) -> tuple[x509.Certificate, ...]:
    """The certificate in CERTS_DIR with its chain; none where it can't be read."""
    return load_chain(stack_pair(folder, settings))


def _served(settings: StackSettings) -> x509.Certificate | None:
    """The certificate that the stack's port shows under the registry's name; None where nothing answers."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # looks at the certificate, sends nothing
    address = (settings.own_address, settings.https_port)
    name = None if hosts.is_address(settings.host) else settings.host
    try:
        with (
            socket.create_connection(address, timeout=3) as line,
            context.wrap_socket(line, server_hostname=name) as tls,
        ):
            shown = tls.getpeercert(binary_form=True)
    except (OSError, ValueError):
        return None
    return x509.load_der_x509_certificate(shown) if shown else None


def probe_trust(settings: StackSettings, docker: facts.Docker) -> tuple[facts.EngineTrust, ...]:
    """The authorities of each engine here; docker's only where it runs on this machine."""
    known = system_authorities()
    trusts = []
    for engine, place in trust_places(settings.authority).items():
        name = engine.partition(" ")[0]
        here = docker.engine is not None and docker.engine.local if name == "docker" else shutil.which(name) is not None
        # containerd is installed beside every Docker Engine; only a folder of registries says that people use it.
        if name == "containerd" and not Path("/etc/containerd/certs.d").is_dir():
            here = False
        if here:
            folders = [Path(place).parent] + (
                [Path("/etc/docker/certs.d") / settings.authority] if name == "podman" else []
            )
            own = [one for folder in folders for file in sorted(_listed(folder)) for one in load_certificates(file)]
            trusts.append(facts.EngineTrust(name, place, (*known, *own)))
    return tuple(trusts)


def _listed(folder: Path) -> Iterator[Path]:
    try:
        yield from (path for path in folder.iterdir() if path.suffix in {".crt", ".pem"})
    except OSError:
        return


@cache
def system_authorities() -> tuple[x509.Certificate, ...]:
    """This machine's own store."""
    return next((found for path in _SYSTEM_STORES if (found := load_certificates(Path(path)))), ())


def load_certificates(path: Path) -> tuple[x509.Certificate, ...]:
    """The PEM certificates of a file, none where it can't be read; single broken ones are left out."""
    try:
        text = path.read_bytes()
    except OSError:
        return ()
    found = []
    for block in text.split(b"-----BEGIN CERTIFICATE-----")[1:]:
        try:
            with warnings.catch_warnings():
                # Some old authorities of the systems' stores have serial numbers that are no longer allowed.
                warnings.simplefilter("ignore", CryptographyDeprecationWarning)
                found.append(x509.load_pem_x509_certificate(b"-----BEGIN CERTIFICATE-----" + block))
        except ValueError:
            continue
    return tuple(found)


def probe_clock() -> facts.Clock:
    """What systemd says of the clock; None where it is not there."""
    done = _run(["timedatectl", "show", "--property=NTPSynchronized", "--value"])
    answers = {"yes": True, "no": False}
    return facts.Clock(answers.get(done.stdout.strip()) if done.returncode == 0 else None)


def probe_disk(
    folder: StackFolder, settings: StackSettings, docker: facts.Docker, *, without_docker: bool
) -> facts.Disk | None:
    """The file system that holds the images: STORAGE_DIR's, the stack's own without Docker, or the local engine's."""
    reserve = values.parse_bytes(settings.storage_reserve)
    if settings.storage_dir:
        place = folder.resolve(settings.storage_dir)
    elif without_docker:
        place = folder.data
    elif docker.engine is not None and docker.engine.local:
        place = Path(ask("info", "--format", "{{.DockerRootDir}}").out.strip() or "/var/lib/docker")
    else:
        return None
    try:
        status = os.statvfs(place)
    except OSError:
        return None
    unit = status.f_frsize
    return facts.Disk(
        str(place), status.f_bavail * unit, status.f_blocks * unit, status.f_favail, status.f_files, reserve
    )


def probe_files(folder: StackFolder, settings: StackSettings) -> tuple[facts.File, ...]:
    """Every secret of the stack; those that a container reads are marked."""
    own = ("--cert", "FILE", "--key", "FILE") if settings.tls == "own" else ()
    shared: dict[Path, tuple[str, ...]] = {
        folder.htpasswd: ("password", "--user", "NAME"),
        folder.http_secret: ("http-secret",),
        folder.access: (),
        **{folder.root / path: () for profile in load_profiles() for path in profile.secrets},
        **{folder.root / secret.path: (word,) for word, secret in kept_secrets().items()},
        folder.resolve(settings.certs_dir) / "privkey.pem": ("tls", *own),
    }
    private = {folder.admin_password: ("password",), folder.authority / "ca.key": ("ca",)}
    return (
        *(replace(probe_file(path, shared=True), rotation=words) for path, words in shared.items()),
        *(replace(probe_file(path), rotation=words) for path, words in private.items()),
    )


def probe_unseen(folder: StackFolder) -> tuple[Path, ...]:
    """Secrets that hold something else here than in the running registry; those that either may not read count as same.

    A folder that is replaced stays, for a container, the one that it was.
    """
    files = {f"{MOUNTED_SECRETS}/{path.name}": path for path in (folder.htpasswd, folder.access, folder.http_secret)}
    answer = compose(folder, "exec", "-T", "registry", "sha256sum", *files, seconds=_SECONDS)
    seen = dict(line.split(maxsplit=1)[::-1] for line in answer.out.splitlines() if line.count(" ") > 1)
    return tuple(path for place, path in files.items() if place in seen and _sha256(path) not in {seen[place], None})


def _sha256(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def probe_first_password(folder: StackFolder, settings: StackSettings) -> Path | None:
    """The file with the first user's password, where it is gone; None where there is no such user either."""
    try:
        users = load_users(folder).hashes
    except StackgenError:
        return None
    return folder.admin_password if settings.registry_admin_user in users and is_gone(folder.admin_password) else None


def probe_storage(folder: StackFolder, settings: StackSettings) -> facts.File | None:
    """STORAGE_DIR, None where a volume is used."""
    return probe_file(folder.resolve(settings.storage_dir)) if settings.storage_dir else None


def probe_file(path: Path, *, shared: bool = False) -> facts.File:
    """Owner and mode of a file or folder."""
    try:
        status = path.stat()
    except OSError as error:
        return facts.File(str(path), None, shared=shared, hidden=isinstance(error, PermissionError))
    return facts.File(str(path), status.st_mode & 0o7777, status.st_uid, status.st_gid, shared)


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=_SECONDS, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 127, "", str(error))


def _json(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _version(text: str) -> tuple[int, int] | None:
    numbers = text.strip().lstrip("v").split(".")
    try:
        return int(numbers[0]), int(numbers[1])
    except (IndexError, ValueError):
        return None
