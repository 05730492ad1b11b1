"""One HTTP exchange with a registry: TLS trust, proxies, redirects, and failures that say what to do.

The standard library's openers carry it (see docs/decisions on the registry client): they know proxies and the
system's trust, and everything above them is protocol that no library would do for us.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urljoin, urlsplit

from registry_app.plain_text import quoted
from registry_app.regular_files import STORE, read_named
from stackgen import __version__
from stackgen.distribution.addresses import is_loopback
from stackgen.errors import StackgenError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Large enough for a registry that hashes a layer before it answers the closing PUT.
_SECONDS = 300
_REDIRECTS = 5
_REDIRECT = {301, 302, 303, 307, 308}
_BODY_LIMIT = 16 * 1024 * 1024
_LONGEST_LABEL = 63


class LineCut(Exception):  # noqa: N818 - it names what happened; callers try again
    """The connection broke in the middle of an exchange that can be taken up again."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to send. `body` is bytes or an open file whose remaining length is `length`."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | BinaryIO | None = None
    length: int = 0


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer; `url` is where it came from in the end."""

    status: int
    reason: str
    headers: http.client.HTTPMessage
    url: str
    body: bytes


class Transport:
    """Sends requests with one TLS trust: the system's, and a further CA file where one is given."""

    def __init__(self, *, ca: Path | None = None, seconds: float = _SECONDS) -> None:
        self._ca = ca
        self._seconds = seconds
        context = _context(ca)
        self._opener = _opener(context, urllib.request.ProxyHandler())
        self._near = _opener(context, urllib.request.ProxyHandler({}))

    def send(self, request: Request, *, limit: int = _BODY_LIMIT) -> Response:
        """The response to a request, redirects of GET and HEAD followed, with a body of at most `limit` bytes.

        Authorization never follows a redirect to another origin. Raises StackgenError where nobody can be
        reached or too much is sent, LineCut where the line broke once it stood.
        """
        for _ in range(_REDIRECTS):
            response = self._send_once(request, limit=limit)
            location = response.headers.get("Location")
            if response.status not in _REDIRECT or not location or request.method not in {"GET", "HEAD"}:
                return response
            request = _redirected(request, follow(request.url, location))
        raise StackgenError(f"{request.url} redirects without end", hint="is the address right?")

    def _send_once(self, request: Request, *, limit: int) -> Response:
        if not request.url.startswith(("https://", "http://")):
            raise StackgenError(f"{request.url} is no http or https address", hint="is this really a registry?")
        wire = urllib.request.Request(request.url, data=request.body, method=request.method)  # noqa: S310 - just checked
        wire.add_header("User-Agent", f"stackgen/{__version__}")
        for name, value in request.headers.items():
            wire.add_unredirected_header(name, value)
        if request.body is not None and not isinstance(request.body, bytes):
            wire.add_unredirected_header("Content-Length", str(request.length))
        try:
            # As Docker and Compose do: a proxy of the environment is never asked for this machine itself.
            opener = self._near if is_loopback(wire.host) else self._opener
            with opener.open(wire, timeout=self._seconds) as stream:
                body = stream.read(limit + 1)
        except urllib.error.URLError as error:
            raise self._failure(request, error.reason) from error
        except (http.client.HTTPException, OSError) as error:
            raise self._failure(request, error) from error
        if len(body) > limit:
            raise StackgenError(f"{request.url} sent more than {limit} bytes", hint="is this really a registry?")
        return Response(status=stream.status, reason=stream.reason, headers=stream.headers, url=request.url, body=body)

    def _failure(self, request: Request, reason: object) -> Exception:
        """What a person should read and try for a failed connection; LineCut where trying again makes sense."""
        host = urlsplit(request.url).netloc
        if isinstance(reason, ssl.SSLCertVerificationError):
            return StackgenError(
                f"the certificate of {host} is not trusted: {reason.verify_message.rstrip('.')}",
                hint=_trust_hint(host, reason, given=self._ca),
            )
        if isinstance(reason, ssl.SSLError) and "WRONG_VERSION_NUMBER" in str(reason):
            hint = "--plain-http" if is_loopback(host) else "put TLS in front of it: logins cross this line"
            return StackgenError(f"{host} speaks plain HTTP, not TLS", hint=hint)
        if isinstance(reason, socket.gaierror):
            return StackgenError(
                f"the name {urlsplit(request.url).hostname} can't be resolved: {reason.strerror}",
                hint="is it spelt right? a line in /etc/hosts, or a DNS record, makes it known",
            )
        if isinstance(reason, ConnectionRefusedError):
            return StackgenError(f"nothing listens at {host}", hint="is the registry running, and is the port right?")
        if isinstance(reason, (ConnectionError, http.client.HTTPException, TimeoutError, ssl.SSLEOFError)):
            return LineCut(f"{host}: {str(reason) or type(reason).__name__}")
        return StackgenError(f"{host} can't be reached: {reason}", hint="is the address right, and the network up?")


def follow(origin: str, target: str) -> str:
    """The address that somebody names, from where it was named; StackgenError for one that can't be dialled."""
    try:
        whole = urljoin(origin, target)
        parts = urlsplit(whole)
        labels = (parts.hostname or "").removesuffix(".").split(".")
        usable = whole.isascii() and whole.isprintable() and " " not in whole and parts.port != 0
        usable = usable and all(0 < len(label) <= _LONGEST_LABEL for label in labels)
    except ValueError:
        usable = False
    if not usable:
        raise StackgenError(
            f"{urlsplit(origin).netloc} leads to {quoted(target)}, which is no address",
            hint="is this really a registry?",
        )
    return whole


def _opener(context: ssl.SSLContext, proxies: urllib.request.ProxyHandler) -> urllib.request.OpenerDirector:
    opener = urllib.request.OpenerDirector()
    for handler in (
        proxies,
        urllib.request.UnknownHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=context),
    ):
        opener.add_handler(handler)
    return opener


def _context(ca: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca is None:
        return context
    try:
        # Comments between the certificates may be in any language; OpenSSL takes ASCII alone.
        context.load_verify_locations(cadata=read_named(ca, limit=STORE).decode("ascii", "ignore"))
    except ssl.SSLError:
        raise StackgenError(
            f"{ca} can't be used as a CA file: it holds no PEM certificate, or a damaged one",
            hint="name the authority's certificate; of a stack of stackgen's: certs/ca.crt",
        ) from None
    except OSError as error:
        raise StackgenError(
            f"{ca} can't be used as a CA file: {error.strerror}", hint="it must hold PEM certificates"
        ) from None
    return context


def _trust_hint(host: str, error: ssl.SSLCertVerificationError, *, given: Path | None) -> str:
    message = error.verify_message.lower()
    if "hostname mismatch" in message or "not valid for" in message:
        return "use a name that the certificate holds, or have the certificate issued for this one"
    if "expired" in message or "not yet valid" in message:
        return "renew the certificate (stackgen rotate), and check the clock of both machines"
    if given is not None:
        return f"{given} did not sign the certificate of {host}: is it the CA of this registry?"
    return "give its CA: --ca certs/ca.crt"


def _redirected(request: Request, url: str) -> Request:
    old, new = urlsplit(request.url), urlsplit(url)
    if old.scheme == "https" and new.scheme != "https":
        raise StackgenError(f"{old.netloc} redirects to {new.netloc} without TLS", hint="that would give data away")
    same = (old.scheme, old.netloc) == (new.scheme, new.netloc)
    headers = {k: v for k, v in request.headers.items() if same or k.lower() != "authorization"}
    return Request(method=request.method, url=url, headers=headers)
