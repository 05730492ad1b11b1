"""The page that Prometheus reads: the counts of every worker, and what is read at this moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from registry_app.metrics.observation import Observed
from registry_app.metrics.rows import add_up, families

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from prometheus_client.core import Metric

    from registry_app.metrics.observation import Source
    from registry_app.metrics.recording import Recorder
    from registry_app.metrics.sharing import SharedFolder

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


class Exposition:
    """Renders the metrics of a service."""

    def __init__(
        self,
        recorder: Recorder,
        sources: Mapping[str, Source],
        *,
        shared: SharedFolder | None,
        settle: Callable[[], None] = lambda: None,
    ) -> None:
        self._settle = settle
        self._page = CollectorRegistry(auto_describe=False)
        self._page.register(_Counted(recorder, shared))
        self._page.register(Observed(sources))

    def render(self) -> bytes:
        """Text of version 0.0.4, which every Prometheus reads; what waits to be counted is counted before."""
        self._settle()
        return generate_latest(self._page)


class _Counted:
    """prometheus_client's collector over the counts of all workers."""

    def __init__(self, recorder: Recorder, shared: SharedFolder | None) -> None:
        self._recorder = recorder
        self._shared = shared

    def collect(self) -> Iterable[Metric]:
        return families(add_up([self._recorder.row] if self._shared is None else self._shared.rows()))
