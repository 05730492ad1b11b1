"""Logins as `docker login` keeps them: config.json, credential helpers and stores; podman's auth.json where named.

Nothing here writes, and no login ever reaches an argument list: helpers get the host on their standard input.
"""

from __future__ import annotations

import base64
import binascii
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry_app.regular_files import read_named
from stackgen.distribution.addresses import HUB
from stackgen.errors import StackgenError

if TYPE_CHECKING:
    from collections.abc import Mapping

# Docker keeps the hub's login under the address of its first API.
_HUB_KEYS = ("https://index.docker.io/v1/", "index.docker.io", "docker.io", "registry-1.docker.io")
_HELPER_SECONDS = 30
_TOKEN_USER = "<token>"  # noqa: S105 - the user name by which helpers mark an identity token


@dataclass(frozen=True, slots=True)
class Login:
    """A name and password, or an identity token to exchange for access tokens."""

    user: str = ""
    password: str = ""
    identity_token: str = ""

    def __repr__(self) -> str:
        """Nothing that a traceback or a log could leak."""
        return "Login(…)"

    @property
    def basic(self) -> str:
        """The value of a Basic Authorization header."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


def find_login(host: str, *, environ: Mapping[str, str]) -> Login | None:
    """The login for a host[:port], or None. Raises StackgenError for a broken file or helper, naming it."""
    for path in _configuration_files(environ):
        configuration = _read(path)
        if configuration is None:
            continue
        login = _from_configuration(configuration, host, place=path)
        if login is not None:
            return login
    return None


def _configuration_files(environ: Mapping[str, str]) -> list[Path]:
    """Docker's configuration first, then what podman, skopeo and buildah read."""
    files = []
    if environ.get("DOCKER_CONFIG"):
        files.append(Path(environ["DOCKER_CONFIG"]) / "config.json")
    elif home := environ.get("HOME") or _home():
        files.append(Path(home) / ".docker" / "config.json")
    if environ.get("REGISTRY_AUTH_FILE"):
        files.append(Path(environ["REGISTRY_AUTH_FILE"]))
    elif environ.get("XDG_RUNTIME_DIR"):
        files.append(Path(environ["XDG_RUNTIME_DIR"]) / "containers" / "auth.json")
    return files


def _home() -> str:
    """This user's home; empty for one who is in no list of users, as in many containers."""
    try:
        return str(Path.home())
    except RuntimeError:
        return ""


def _read(path: Path) -> dict[str, Any] | None:
    try:
        text = read_named(path).decode()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise StackgenError(f"{path} can't be read: {error}", hint="it holds the logins of `docker login`") from error
    try:
        value = json.loads(text or "{}")
    except ValueError as error:
        raise StackgenError(f"{path} is not JSON: {error}", hint="mend it, or move it away and log in again") from error
    if not isinstance(value, dict):
        raise StackgenError(f"{path} is not a JSON object", hint="mend it, or move it away and log in again")
    return value


def _from_configuration(configuration: dict[str, Any], host: str, *, place: Path) -> Login | None:
    """Docker's own order: a helper for this host, then the store for all hosts, then the file itself."""
    keys = _HUB_KEYS if host == HUB else (host, f"https://{host}", f"https://{host}/v1/", f"https://{host}/v2/")
    helpers = configuration.get("credHelpers")
    for key in keys:
        if isinstance(helpers, dict) and isinstance(helpers.get(key), str):
            return _from_helper(helpers[key], key, place=place)
    store = configuration.get("credsStore")
    if isinstance(store, str) and store:
        found = _from_helper(store, keys[0], place=place)
        if found is not None:
            return found
    auths = configuration.get("auths")
    for key in keys:
        if isinstance(auths, dict) and isinstance(auths.get(key), dict):
            return _from_entry(auths[key], key, place=place)
    return None


def _from_entry(entry: dict[str, Any], key: str, *, place: Path) -> Login | None:
    token = entry.get("identitytoken")
    if isinstance(token, str) and token:
        return Login(identity_token=token)
    if isinstance(entry.get("username"), str) and isinstance(entry.get("password"), str):
        return Login(user=entry["username"], password=entry["password"])
    if not isinstance(entry.get("auth"), str) or not entry["auth"]:
        return None
    try:
        user, colon, password = base64.b64decode(entry["auth"], validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        colon = ""
    if not colon:
        raise StackgenError(
            f"the login for {key} in {place} can't be decoded", hint=f"log in again: docker login {key}"
        )
    return Login(user=user, password=password.rstrip("\x00"))


def _from_helper(name: str, key: str, *, place: Path) -> Login | None:
    """Ask `docker-credential-NAME get` (docker-credential-helpers' protocol); None where it holds nothing."""
    program = f"docker-credential-{name}"
    try:
        result = subprocess.run(
            [program, "get"], input=key, capture_output=True, text=True, timeout=_HELPER_SECONDS, check=False
        )
    except FileNotFoundError as error:
        raise StackgenError(
            f"{place} names the credential helper {name!r}, but {program} is not on the PATH",
            hint=f"install {program}, or remove it from {place} and log in again",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise StackgenError(
            f"{program} did not answer within {_HELPER_SECONDS} s", hint="does it wait for an unlock dialog?"
        ) from error
    output = result.stdout.strip()
    if result.returncode != 0:
        if "credentials not found" in output.lower():
            return None
        raise StackgenError(f"{program} failed: {output or result.stderr.strip()}", hint=f"try: docker login {key}")
    try:
        answer = json.loads(output)
        user, secret = str(answer["Username"]), str(answer["Secret"])
    except (ValueError, KeyError, TypeError) as error:
        raise StackgenError(f"{program} answered something that is no login", hint="is it up to date?") from error
    return Login(identity_token=secret) if user == _TOKEN_USER else Login(user=user, password=secret)
