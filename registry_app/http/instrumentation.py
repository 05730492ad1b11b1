"""Tells the metrics about every request: what it was, how it ended, how long it took and how many bytes it moved."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from registry_app.http.routes import PUBLIC, ROUTES, right_of
from registry_app.metrics.exposition import CONTENT_TYPE
from registry_app.metrics.traffic import Exchange, asked_for_right

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from falcon import Request, Response

    from registry_app.http.routes import Route
    from registry_app.metrics.exposition import Exposition
    from registry_app.metrics.traffic import Traffic

# Names that distribution has for its routes; every other resource goes by its own.
DISTRIBUTION_NAMES = {"uploads": "blob_upload", "upload": "blob_upload_chunk"}


def handler_of(route: Route) -> str:
    """The value of the label `handler` for a route."""
    return DISTRIBUTION_NAMES.get(route.resource, route.resource)


class Instrumentation:
    """Falcon middleware; stands before the gate, so that it sees the final answer. The clock is the gate's."""

    def __init__(self, traffic: Traffic, *, prefix: str = "") -> None:
        self._traffic = traffic
        self._routes = {prefix + route.template: (route, handler_of(route)) for route in ROUTES}

    def process_resource(self, req: Request, _resp: Response, _resource: object, params: dict[str, Any]) -> None:
        """Knows the route, before anybody judges the request."""
        context = req.context
        context.route, handler = self._routes[req.uri_template or ""]
        context.params = params
        context.exchange = exchange = Exchange(method=req.method, handler=handler)
        self._traffic.begun(exchange)

    def process_response(self, req: Request, resp: Response, _resource: object, _succeeded: bool) -> None:  # noqa: FBT001
        """Counts what has no body to stream; the rest when its stream is closed."""
        context = req.context
        if "exchange" in context:
            exchange = context.exchange
            exchange.status = status = int(str(resp.status)[:3])
            # Parsed by now, or not a name at all.
            repository = context.params.get("repository")
            exchange.repository = None if repository is None or isinstance(repository, str) else str(repository)
            exchange.sent = _length(req, resp)
            exchange.asked = _asked(req, status)
        else:
            exchange = Exchange(method=req.method, status=int(str(resp.status)[:3]))
        exchange.received = context.body.received
        if resp.stream is None or req.method == "HEAD":
            self._end(exchange, context.started)
        else:
            resp.stream = when_closed(resp.stream, lambda: self._end(exchange, context.started))

    def _end(self, exchange: Exchange, started: float) -> None:
        exchange.seconds = time.monotonic() - started
        # gunicorn closes a stream while the error of a client that left is on its way up.
        exchange.interrupted = sys.exc_info()[0] is not None
        self._traffic.ended(exchange)


class MetricsPage:
    """What Prometheus reads, on the internal listener."""

    def __init__(self, exposition: Exposition) -> None:
        self._exposition = exposition

    def on_get(self, _req: Request, resp: Response) -> None:
        """Every metric of the service."""
        resp.content_type = CONTENT_TYPE
        resp.set_header("Cache-Control", "no-store")
        resp.data = self._exposition.render()


def _asked(req: Request, status: int) -> str | None:
    """How the question for a right ended, None where the route needs none."""
    right = right_of(req.context.route, req.method)
    if right is PUBLIC or right is None:
        return None
    return asked_for_right(
        status,
        let_in=req.context.let_in,
        named=req.context.identity.name is not None,
        claimed="HTTP_AUTHORIZATION" in req.env,
    )


def _length(req: Request, resp: Response) -> int:
    """Bytes of content that the answer hands out."""
    if "accelerated" in req.context:
        return int(req.context.accelerated)
    if resp.data is not None:
        return len(resp.data)
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
