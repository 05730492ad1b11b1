"""The page that Prometheus reads: the counts of every worker, and what is read at this moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from registry_app.metrics.observation import Observed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from prometheus_client.core import Metric

    from registry_app.metrics.observation import Source
    from registry_app.metrics.recording import Recorder
    from registry_app.metrics.sharing import SharedFolder

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


class Exposition:
    """Renders the metrics of a service."""

    def __init__(self, recorder: Recorder, sources: Mapping[str, Source], *, shared: SharedFolder | None) -> None:
        self._page = CollectorRegistry(auto_describe=False)
        self._page.register(_Workers(shared) if shared else recorder.registry)
        self._page.register(Observed(sources))

    def render(self) -> bytes:
        """Text of version 0.0.4, which every Prometheus reads."""
        return generate_latest(self._page)


class _Workers:
    """The sum over the workers."""

    def __init__(self, shared: SharedFolder) -> None:
        self._shared = shared

    def collect(self) -> Iterable[Metric]:
        merged: Iterable[Metric] = MultiProcessCollector.merge(self._shared.files(), accumulate=True)
        return merged
