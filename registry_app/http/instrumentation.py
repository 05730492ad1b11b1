"""Tells the metrics about every request: what it was, how it ended, how long it took and how many bytes it moved."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from registry_app.auth.identity import Action
from registry_app.http.routes import ROUTES, right_of
from registry_app.metrics.definitions import METHODS
from registry_app.metrics.exposition import CONTENT_TYPE
from registry_app.metrics.traffic import asked_for_right, ending_of
from registry_app.oci.names import Repository

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from falcon import Request, Response

    from registry_app.http.routes import Route
    from registry_app.metrics.exposition import Exposition
    from registry_app.metrics.traffic import Ending, Operation, Traffic

# Names that distribution has for its routes; every other resource goes by its own.
DISTRIBUTION_NAMES = {"uploads": "blob_upload", "upload": "blob_upload_chunk"}

_METHODS = tuple(method.upper() for method in METHODS)
_KNOWN_METHODS = frozenset(_METHODS)
_UNKNOWN_METHOD = "UNKNOWN"


def handler_of(route: Route) -> str:
    """The value of the label `handler` for a route."""
    return DISTRIBUTION_NAMES.get(route.resource, route.resource)


class _Served:
    """One method of one route: what is the same for all its requests, worked out once."""

    __slots__ = ("_asks", "endings", "operation")

    def __init__(self, operation: Operation, *, asks: bool) -> None:
        self.operation = operation
        self._asks = asks
        # By how Falcon writes the status, and how the question for a right went; bounded, for both are ours.
        self.endings: dict[tuple[object, bool, bool, bool], Ending] = {}

    def first_ending(self, resp: Response, known_by: tuple[object, bool, bool, bool]) -> Ending:
        """An ending that no request of this kind has had so far."""
        _, let_in, named, claimed = known_by
        status = resp.status_code
        asked = asked_for_right(status, let_in=let_in, named=named, claimed=claimed) if self._asks else None
        ending = self.endings[known_by] = ending_of(self.operation, status, asked)
        return ending


class Instrumentation:
    """Falcon middleware; stands before the gate, so that it sees the final answer. The clock is the gate's."""

    def __init__(self, traffic: Traffic, *, prefix: str = "") -> None:
        self._traffic = traffic
        self._served = {
            (prefix + route.template, method): _Served(
                traffic.operation(handler_of(route), method), asks=isinstance(right_of(route, method), Action)
            )
            for route in ROUTES
            for method in _METHODS
        }
        self._nowhere = {method: _Served(traffic.operation("none", method), asks=False) for method in _METHODS}

    def process_resource(self, req: Request, _resp: Response, _resource: object, params: dict[str, Any]) -> None:
        """Knows the route, before anybody judges the request."""
        method = req.method
        served = self._served[req.uri_template or "", method if method in _KNOWN_METHODS else _UNKNOWN_METHOD]
        served.operation.open.append(None)
        context = req.context
        context.served = served
        context.params = params

    def process_response(self, req: Request, resp: Response, _resource: object, _succeeded: bool) -> None:  # noqa: FBT001
        """Counts what has no body to stream; the rest when its stream is closed."""
        context = req.context
        try:
            served: _Served = context.served
        except AttributeError:
            served = self._begin_nowhere(req)
        known_by = (resp.status, context.let_in, context.identity.name is not None, "HTTP_AUTHORIZATION" in req.env)
        ending = served.endings.get(known_by) or served.first_ending(resp, known_by)
        received = context.body.received if ending.received is not None else 0
        sent = _length(req, resp) if ending.sends else 0
        # None where the path names none, or a text that can't be one.
        named = context.params.get("repository") if ending.board is not None else None
        repository = named.name if isinstance(named, Repository) else None
        if resp.stream is None or req.method == "HEAD":
            seconds = time.monotonic() - context.started
            self._traffic.ended((ending, seconds, received, sent, False, repository))
        else:
            self._end_with_stream(resp, context.started, (ending, received, sent, repository))

    def _end_with_stream(self, resp: Response, started: float, known: tuple[Ending, int, int, str | None]) -> None:
        ending, received, sent, repository = known

        def end() -> None:
            # gunicorn closes a stream while the error of a client that left is on its way up.
            interrupted = sys.exc_info()[0] is not None
            self._traffic.ended((ending, time.monotonic() - started, received, sent, interrupted, repository))

        resp.stream = when_closed(resp.stream, end)

    def _begin_nowhere(self, req: Request) -> _Served:
        """A request whose path nobody serves."""
        served = self._nowhere[req.method if req.method in _KNOWN_METHODS else _UNKNOWN_METHOD]
        served.operation.open.append(None)
        req.context.params = {}
        return served


class MetricsPage:
    """What Prometheus reads, on the internal listener."""

    def __init__(self, exposition: Exposition) -> None:
        self._exposition = exposition

    def on_get(self, _req: Request, resp: Response) -> None:
        """Every metric of the service."""
        resp.content_type = CONTENT_TYPE
        resp.set_header("Cache-Control", "no-store")
        resp.data = self._exposition.render()


def _length(req: Request, resp: Response) -> int:
    """Bytes of content that the answer hands out."""
    data = resp.data
    if data is not None:
        return len(data)
    if "accelerated" in req.context:
        return int(req.context.accelerated)
    return int(resp.get_header("Content-Length") or 0)


def when_closed(stream: Any, then: Callable[[], None]) -> Any:
    """The stream, which calls `then` once when the server has done with it.

    A server's own file wrapper stays what it is, for the server knows it by its type and sends it by the kernel.
    """
    if not hasattr(stream, "__next__") and hasattr(stream, "filelike"):
        stream.close = _Closing(stream.filelike, then).close
        return stream
    return _Closing(stream, then)


class _Closing:
    """An iterable with an end that is told."""

    def __init__(self, stream: Iterable[bytes], then: Callable[[], None]) -> None:
        self._stream = stream
        self._then = then

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._stream)

    def close(self) -> None:
        """Closes what lies below, then tells."""
        close = getattr(self._stream, "close", None)
        try:
            if close is not None:
                close()
        finally:
            self._then()
