"""What is read at each scrape: every source gives (name, value, labels); one that fails takes nobody with it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily

from registry_app.metrics.definitions import BY_NAME, AtMost

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

log = logging.getLogger("registry.metrics")


@dataclass(frozen=True, slots=True)
class Observation:
    """One value, of a metric that the table says is read."""

    name: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


Source = Callable[[], Iterable[Observation]]


class Observed:
    """prometheus_client's collector over all sources."""

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self._sources = dict(sources)
        self._failing: set[str] = set()

    def collect(self) -> Iterator[Metric]:
        """Asks every source."""
        families: dict[str, GaugeMetricFamily] = {}
        errors = 0
        for name, source in self._sources.items():
            try:
                observations = list(source())
            except Exception as error:  # noqa: BLE001 - one unreadable value must not hide all others
                errors += 1
                self._tell(name, error)
            else:
                self._failing.discard(name)
                for observation in observations:
                    _add(families, observation)
        _add(families, Observation("registry_observation_errors", errors))
        yield from families.values()

    def _tell(self, name: str, error: Exception) -> None:
        """Logs a source that fails: once, until it works again."""
        if name not in self._failing:
            self._failing.add(name)
            log.warning("metrics of %s can't be read: %s", name, error)


def _add(families: dict[str, GaugeMetricFamily], observation: Observation) -> None:
    definition = BY_NAME[observation.name]
    if definition.counted:
        raise ValueError(f"{definition.name} is counted, not read")
    family = families.get(definition.name)
    if family is None:
        family = GaugeMetricFamily(definition.name, definition.help, labels=tuple(definition.labels))
        families[definition.name] = family
    given = []
    for label, allowed in definition.labels.items():
        value = observation.labels[label]
        if not isinstance(allowed, AtMost) and value not in allowed:
            raise ValueError(f"{definition.name}: {value!r} is no value of {label}")
        given.append(value)
    family.add_metric(given, observation.value)
