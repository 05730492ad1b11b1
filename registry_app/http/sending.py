"""How a stored blob reaches the client: by nginx where one stands in front, else from here, with the same answers."""

from __future__ import annotations

import re
import secrets
from contextlib import closing
from typing import TYPE_CHECKING, BinaryIO

from registry_app.errors import ErrorCode, RegistryError
from registry_app.http.conditions import etag_of, is_known, range_holds
from registry_app.oci.ranges import parse_byte_ranges

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from falcon import Request, Response

    from registry_app.oci.digests import Digest
    from registry_app.oci.ranges import ByteRange

BLOB_TYPE = "application/octet-stream"
PIECE = 1 << 20
# nginx cuts ranges as we do, but these it would compare with the file's date, and with a tag that is not ours.
NGINX_WOULD_JUDGE = ("If-Range", "If-Match", "If-Modified-Since", "If-Unmodified-Since")
# Ranges that nginx reads as we do; it knows neither empty elements, nor tabs, nor numbers larger than its own.
_READ_ALIKE = re.compile(r"bytes= *SPEC *(?:, *SPEC *)*".replace("SPEC", "[0-9]{0,18}-[0-9]{0,18}"), re.IGNORECASE)


def describe_blob(resp: Response, digest: Digest) -> None:
    """The headers that every answer about a blob carries."""
    resp.set_header("Docker-Content-Digest", str(digest))
    resp.set_header("ETag", etag_of(str(digest)))
    resp.set_header("Accept-Ranges", "bytes")
    # A digest names the same bytes for ever; private, for what a caller may read is not for shared caches.
    resp.set_header("Cache-Control", "max-age=31536000")
    resp.content_type = BLOB_TYPE


class BlobSender:
    """Fills responses with blobs. `accelerated` is the internal location of nginx for a file, or None without one."""

    def __init__(self, accelerated: Callable[[Path], str] | None) -> None:
        self._accelerated = accelerated

    def send(self, req: Request, resp: Response, *, digest: Digest, size: int, path: Path) -> None:
        """Answers a GET, whole or in ranges, or 304 for what the client has."""
        describe_blob(resp, digest)
        if is_known(req.get_header("If-None-Match"), str(digest)):
            resp.status = 304
            return
        if self._accelerated is not None and (sent := _sent_by_nginx(req, size)) is not None:
            resp.set_header("X-Accel-Redirect", self._accelerated(path))
            req.context.accelerated = sent
            resp.delete_header("Cache-Control")  # nginx says it by itself, of what it could send
            if req.get_header("Range") is None:
                resp.delete_header("Accept-Ranges")  # the same
            else:
                resp.status = 206  # for our log and metrics
            return
        _send_from_here(req, resp, digest=digest, size=size, path=path)


def _sent_by_nginx(req: Request, size: int) -> int | None:
    """Bytes that nginx would send as we would; None where it would judge otherwise.

    Raises RANGE_INVALID, which nginx would say in HTML.
    """
    # An empty header is one, too: nginx fails its condition.
    if any(req.get_header(name) is not None for name in NGINX_WOULD_JUDGE):
        return None
    wanted = req.get_header("Range")
    if wanted is None:
        return size
    # A range that is none is to be ignored; nginx refuses it.
    ranges = parse_byte_ranges(wanted, size)
    if ranges is None or not _READ_ALIKE.fullmatch(wanted):
        return None
    return sum(one.length for one in ranges)


def _send_from_here(req: Request, resp: Response, *, digest: Digest, size: int, path: Path) -> None:
    header = req.get_header("Range") if range_holds(req.get_header("If-Range"), str(digest)) else None
    ranges = parse_byte_ranges(header, size)
    if ranges is None:
        _stream(req, resp, path, start=0, length=size)
        return
    resp.status = 206
    if len(ranges) > 1:
        _stream_parts(resp, path, size, ranges)
        return
    (only,) = ranges
    resp.set_header("Content-Range", f"bytes {only.start}-{only.end}/{size}")
    _stream(req, resp, path, start=only.start, length=only.length)


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb", buffering=0)
    except FileNotFoundError:
        # Collected between the look-up and now.
        raise RegistryError(ErrorCode.BLOB_UNKNOWN) from None


def _stream(req: Request, resp: Response, path: Path, *, start: int, length: int) -> None:
    file = _open(path)
    resp.set_header("Content-Length", str(length))
    file.seek(start)
    wrap = req.env.get("wsgi.file_wrapper")
    if wrap is not None and req.env["wsgi.url_scheme"] == "http":
        resp.stream = wrap(file, PIECE)  # the server's sendfile
    else:
        resp.stream = _pieces(file, length)


def _pieces(file: BinaryIO, size: int) -> Iterator[bytes]:
    with closing(file):
        while size > 0 and (piece := file.read(min(size, PIECE))):
            size -= len(piece)
            yield piece


def _stream_parts(resp: Response, path: Path, size: int, ranges: Sequence[ByteRange]) -> None:
    """A multipart/byteranges body (RFC 9110 section 14.6)."""
    boundary = secrets.token_hex(16)
    heads = [_part_head(boundary, f"bytes {part.start}-{part.end}/{size}") for part in ranges]
    tail = f"\r\n--{boundary}--\r\n".encode()
    length = sum(map(len, heads)) + sum(part.length for part in ranges) + len(tail)
    resp.content_type = f"multipart/byteranges; boundary={boundary}"
    resp.set_header("Content-Length", str(length))
    resp.stream = _parts(_open(path), heads, ranges, tail)


def _part_head(boundary: str, content_range: str) -> bytes:
    return f"\r\n--{boundary}\r\nContent-Type: {BLOB_TYPE}\r\nContent-Range: {content_range}\r\n\r\n".encode()


def _parts(file: BinaryIO, heads: list[bytes], ranges: Sequence[ByteRange], tail: bytes) -> Iterator[bytes]:
    with closing(file):
        for head, part in zip(heads, ranges, strict=True):
            yield head
            file.seek(part.start)
            left = part.length
            while left > 0 and (piece := file.read(min(left, PIECE))):
                left -= len(piece)
                yield piece
        yield tail
