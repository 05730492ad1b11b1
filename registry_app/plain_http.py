"""What a client is told that speaks plain HTTP to a port of TLS: go on over HTTPS, as nginx tells it. Pure.

Docker comes this way on loopback: after a refused password it tries plain HTTP, and shows its user that last answer.
"""

from __future__ import annotations

import re

# A request line whose target is a path, RFC 9112, 3.2.1, and a Host of RFC 3986 without what could end a header.
_REQUEST = re.compile(rb"[A-Z]{3,16} (/[!-~]*) HTTP/1\.[01]\r?\n")
_HOST = re.compile(rb"\r?\nhost:[ \t]*([A-Za-z0-9.:\[\]_-]{1,270})[ \t]*\r?\n", re.IGNORECASE)
# crane and cosign try loopback both ways at once and keep to the first that answers well: led on, they run in a circle.
_KEEPS_TO_IT = re.compile(rb"\r?\nuser-agent:[^\r\n]*go-containerregistry", re.IGNORECASE)
_REFUSAL = b"this port speaks HTTPS, and plain HTTP came\n"


def lead_to_https(head: bytes) -> bytes | None:
    """The answer to the beginning of a plain request, None where it is none: 308 by its Host, or 400."""
    request = _REQUEST.match(head)
    if request is None:
        return None
    host = _HOST.search(head)
    lines = [b"HTTP/1.1 400 Bad Request"]
    if host is not None and _KEEPS_TO_IT.search(head) is None:
        lines = [b"HTTP/1.1 308 Permanent Redirect", b"Location: https://%b%b" % (host[1], request[1])]
    lines += [b"Content-Type: text/plain", b"Content-Length: %d" % len(_REFUSAL), b"Connection: close", b"", _REFUSAL]
    return b"\r\n".join(lines)
