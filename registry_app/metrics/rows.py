"""A worker's counts as one row of numbers, in the order of the table of metrics: every process knows what stands where.

The table lists every label value, so every series has its place before it is ever counted; to count is to add to a
number, and the counts of a service are the sum of its workers' rows.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from itertools import accumulate, product
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.utils import floatToGoString

from registry_app.metrics.definitions import DEFINITIONS, Definition, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from prometheus_client.core import Metric

    Row = array[float] | memoryview[float]

# A counter of few series stands at 0 from the start: a rate over it is right from the first event on.
_FEW = 8


@dataclass(frozen=True, slots=True)
class Series:
    """Where one series stands: a number, or for a histogram one for each bucket, one beyond them, and the sum."""

    definition: Definition
    labels: tuple[str, ...]
    start: int

    @property
    def end(self) -> int:
        """Where the next one starts."""
        return self.start + (len(self.definition.buckets) + 2 if self.definition.buckets else 1)


def _lay_out() -> Iterator[Series]:
    start = 0
    for definition in DEFINITIONS:
        if definition.counted:
            for labels in product(*map(_listed, definition.labels.values())):
                series = Series(definition, labels, start)
                start = series.end
                yield series


def _listed(values: object) -> tuple[str, ...]:
    if not isinstance(values, tuple):
        raise TypeError("a counted metric has labels of listed values alone")
    return values


SERIES = tuple(_lay_out())
_PLACES = {(series.definition.name, *series.labels): series.start for series in SERIES}
LENGTH = SERIES[-1].end
SIZE = LENGTH * array("d").itemsize
"""Bytes of a row."""


def place_of(name: str, *labels: str) -> int:
    """Where a series starts; label values in the table's order. ValueError for one that the table does not list."""
    try:
        return _PLACES[name, *labels]
    except KeyError:
        raise ValueError(f"the table of metrics lists no {' '.join((name, *labels))}") from None


def new_row(content: bytes = bytes(SIZE)) -> array[float]:
    """A row of a process's own, all zeros unless its bytes are given."""
    return array("d", content)


def clear_gauges(row: Row) -> None:
    """Forgets what the process that wrote this row had in hand; what it had counted stays."""
    for series in SERIES:
        if series.definition.kind is Kind.GAUGE:
            row[series.start] = 0.0


def add_up(rows: Iterable[Row]) -> list[float]:
    """The sum of rows, place by place."""
    return [sum(numbers) for numbers in zip(new_row(), *rows, strict=True)]


def families(total: Sequence[float]) -> Iterator[Metric]:
    """What a row says, as prometheus_client writes it; counters of many series only where something was counted."""
    found: dict[str, CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily] = {}
    for series in SERIES:
        definition = series.definition
        family = found.get(definition.name)
        if family is None:
            family = found[definition.name] = _family(definition)
        numbers = total[series.start : series.end]
        if isinstance(family, HistogramMetricFamily):
            *counts, spent = numbers
            if any(counts):
                names = [*map(floatToGoString, definition.buckets), "+Inf"]
                family.add_metric(series.labels, list(zip(names, accumulate(counts), strict=True)), spent)
        elif numbers[0] or definition.kind is Kind.GAUGE or definition.most_series <= _FEW:
            family.add_metric(series.labels, numbers[0])
    yield from found.values()


def _family(definition: Definition) -> CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily:
    labels = tuple(definition.labels)
    match definition.kind:
        case Kind.COUNTER:
            return CounterMetricFamily(definition.name, definition.help, labels=labels)
        case Kind.HISTOGRAM:
            return HistogramMetricFamily(definition.name, definition.help, labels=labels)
        case Kind.GAUGE:
            return GaugeMetricFamily(definition.name, definition.help, labels=labels)
