"""What the demo shows: an image that was pushed comes back the same."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry_app.oci.names import Repository, Tag
from stackgen.demo.docker_trip import DockerTrip
from stackgen.demo.image import build_image
from stackgen.demo.round_trip import push_image, read_back
from stackgen.demo.running import local_ca
from stackgen.distribution.addresses import Address
from stackgen.distribution.client import RegistryClient
from stackgen.distribution.logins import Login
from stackgen.distribution.transport import Transport
from stackgen.errors import StackgenError

if TYPE_CHECKING:
    from registry_app.oci.digests import Digest
    from stackgen.folder import StackFolder
    from stackgen.settings import StackSettings

_REPOSITORY, _TAG = "demo/hello", "1"


@dataclass(frozen=True, slots=True)
class Proof:
    """An image's name and the digests of its parts, each computed from what was pulled."""

    name: str
    digests: tuple[Digest, ...]


def prove(folder: StackFolder, settings: StackSettings, *, with_docker: bool) -> Proof:
    """Push a small image made now and pull it back; StackgenError where a single byte differs."""
    address = Address(settings.authority, Repository.parse(_REPOSITORY), Tag.parse(_TAG))
    login = Login(settings.registry_admin_user, _password(folder))
    client = RegistryClient(address.host, transport=Transport(ca=local_ca(folder, settings)), login=login)
    text = f"Hello from {address.host}. Made at {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}.\n"
    if with_docker:
        trip = DockerTrip(address, login)
        trip.push("hello.txt", text)
        digests = read_back(client, address)
        trip.pull(digests[0])
    else:
        digests = read_back(client, address, expected=push_image(client, address, build_image("hello.txt", text)))
    return Proof(str(address), digests)


def _password(folder: StackFolder) -> str:
    try:
        return folder.admin_password.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise StackgenError(
            f"{folder.admin_password} can't be read: {error.strerror}",
            hint="the demo logs in as the first user; run it in a new folder",
        ) from error
