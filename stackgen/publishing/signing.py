"""Signatures by cosign, with a key of one's own; nothing is sent to a public transparency log.

A private registry's names are nobody else's business: both directions work without Sigstore's services.
"""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from stackgen.distribution.addresses import is_loopback
from stackgen.errors import StackgenError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stackgen.distribution.addresses import Address
    from stackgen.distribution.reach import Reach

# Since version 3 cosign takes the services to use from a file; one that names none means: none.
_NO_SERVICES = {
    "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
    "rekorTlogConfig": {},
    "tsaConfig": {},
}


def sign(address: Address, *, key: str, reach: Reach) -> None:
    """Sign the artifact at an address by digest. COSIGN_PASSWORD, or cosign's own prompt, unlocks the key."""
    with _no_services() as config:
        offline = ["--signing-config", str(config)] if _takes_services_from_a_file() else ["--tlog-upload=false"]
        _run(["sign", "--yes", "--key", key, *offline, *_reach(address, reach), str(address)], what=f"sign {address}")


def verify_signature(address: Address, *, key: str, reach: Reach) -> None:
    """StackgenError unless the artifact at an address is signed by that key."""
    offline = ["--insecure-ignore-tlog=true"]
    _run(["verify", "--key", key, *offline, *_reach(address, reach), str(address)], what=f"verify {address}")


def _reach(address: Address, reach: Reach) -> list[str]:
    if reach.plain_http and is_loopback(address.host):
        return ["--allow-http-registry"]
    return ["--registry-cacert", str(reach.ca)] if reach.ca is not None else []


@contextmanager
def _no_services() -> Iterator[Path]:
    with TemporaryDirectory(prefix="stackgen-cosign-") as folder:
        path = Path(folder) / "signing-config.json"
        path.write_text(json.dumps(_NO_SERVICES), encoding="utf-8")
        yield path


def _takes_services_from_a_file() -> bool:
    # Not by `cosign version`: distributions build it without one.
    return "--signing-config" in _run(["sign", "--help"], what="explain itself")


def _run(arguments: list[str], *, what: str) -> str:
    try:
        result = subprocess.run(["cosign", *arguments], capture_output=True, text=True, check=False, env=os.environ)
    except FileNotFoundError as error:
        raise StackgenError(
            "signatures are cosign's work, and cosign is not on the PATH",
            hint="install cosign (Debian: apt install cosign), or leave out --sign and --key",
        ) from error
    if result.returncode != 0:
        words = " ".join((result.stderr or result.stdout).split())[-300:]
        raise StackgenError(f"cosign did not {what}: {words}", hint="is it the right key, and the right artifact?")
    return result.stdout + result.stderr
