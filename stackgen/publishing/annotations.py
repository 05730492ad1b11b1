"""What an artifact says of itself (OCI Image Specification 1.1, "Pre-Defined Annotation Keys")."""

from __future__ import annotations

import datetime as dt
import re
import subprocess
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from registry_app.plain_text import quoted
from stackgen.errors import StackgenError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_PREFIX = "org.opencontainers.image"
_SSH = re.compile(r"(?:ssh://)?(?:[^@/]+@)?(?P<host>[^:/]+)[:/](?P<path>.+)")


def annotations_of(*, version: str, licence: str, source: str | None, created: dt.datetime) -> dict[str, str]:
    """The manifest's annotations; `source` is left out where it is not known. StackgenError for what can't be shown."""
    for name, value in (("licence", licence), ("source", source or "")):
        if not value.isprintable():
            raise StackgenError(
                f"--{name} {quoted(value)} holds a character that can't be printed", hint="write it in plain text"
            )
    known = {
        "title": "stackgen",
        "description": "A private container registry as a Docker Compose stack",
        "created": created.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "version": version,
        "licenses": licence,
    }
    return {f"{_PREFIX}.{key}": value for key, value in (known | ({"source": source} if source else {})).items()}


def creation_time(environ: Mapping[str, str], *, now: dt.datetime) -> dt.datetime:
    """SOURCE_DATE_EPOCH where it is set (reproducible-builds.org), else now."""
    epoch = environ.get("SOURCE_DATE_EPOCH")
    if not epoch:
        return now
    try:
        return dt.datetime.fromtimestamp(int(epoch), dt.UTC)
    except (ValueError, OverflowError, OSError):
        raise StackgenError(
            f"SOURCE_DATE_EPOCH={epoch} is no time", hint="it is a number of seconds: git log -1 --format=%ct"
        ) from None


def source_of(folder: Path) -> str | None:
    """The https address of the git remote `origin` that holds a folder, without any login; None without one."""
    try:
        result = subprocess.run(
            ["git", "-C", str(folder), "remote", "get-url", "origin"], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return None
    return as_public_url(result.stdout.strip()) if result.returncode == 0 else None


def as_public_url(remote: str) -> str | None:
    """A git remote as an address that a browser opens; None for folders and other schemes."""
    try:
        parts = urlsplit(remote)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:  # an impossible port or address, of which git itself says nothing before it is used
        return None
    if parts.scheme in {"http", "https"} and parts.hostname:
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        return f"{parts.scheme}://{host}{port}{parts.path.removesuffix('.git')}"
    match = _SSH.fullmatch(remote)
    if match is None or remote.startswith((".", "/")) or (parts.scheme and parts.scheme != "ssh" and "@" not in remote):
        return None
    return f"https://{match['host']}/{match['path'].removesuffix('.git')}"
