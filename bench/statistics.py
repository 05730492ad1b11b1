"""Medians, spreads and ratios of samples. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Summary:
    """The middle of some samples, and how far the others lie from it: (largest - smallest) / median."""

    median: float
    spread: float
    count: int


def summarise(values: Sequence[float]) -> Summary | None:
    """Median and spread; None of nothing."""
    if not values:
        return None
    middle = median(values)
    return Summary(middle, (max(values) - min(values)) / middle if middle else 0.0, len(values))


def ratio(ours: Summary | None, theirs: Summary | None) -> float | None:
    """Our median in units of theirs; None where either is missing or theirs is nothing."""
    if ours is None or theirs is None or not theirs.median:
        return None
    return ours.median / theirs.median


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of the values do not exceed. Raises ValueError on an empty sequence."""
    if not values:
        raise ValueError("no values")
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]
