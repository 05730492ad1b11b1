"""HTTP Basic credentials (RFC 7617) out of an Authorization header."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field

LONGEST_HEADER = 8192


@dataclass(frozen=True, slots=True)
class Credentials:
    """A claim that is yet to be verified. The password is bytes, as clients send whatever encoding they like."""

    user: str
    password: bytes = field(repr=False)


class BadCredentialsError(ValueError):
    """The header is no well-formed Basic credential, or its user name could be nobody's."""


def parse_basic(header: str | None) -> Credentials | None:
    """The credentials, or None for an anonymous caller.

    Anonymous is no header, and skopeo's and podman's `Basic Og==`: an empty name with an empty password.
    Raises BadCredentialsError, which never holds a part of the header.
    """
    if header is None or not header.strip():
        return None
    scheme, _, parameter = header.strip().partition(" ")
    if scheme.lower() != "basic" or len(header) > LONGEST_HEADER:
        raise BadCredentialsError("only HTTP Basic credentials are understood")
    try:
        decoded = base64.b64decode(parameter.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise BadCredentialsError("the credentials are not base64") from None
    name, colon, password = decoded.partition(b":")
    if not colon:
        raise BadCredentialsError("the credentials hold no colon")
    if not name and not password:
        return None
    try:
        return Credentials(name.decode(), password)
    except UnicodeDecodeError:
        raise BadCredentialsError("the user name is not UTF-8") from None
