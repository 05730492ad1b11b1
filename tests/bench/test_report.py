"""The benchmark's arithmetic and its table."""

from __future__ import annotations

import pytest

from bench.plot import advantages
from bench.report import as_document, render_costs, render_table, verdict
from bench.runner import Taken
from bench.sample import Sample
from bench.scenario import Goal, Kind, Scenario
from bench.statistics import percentile, ratio, summarise
from bench.workspace import Credential


def scenario(**changed):
    """A scenario that more is better of, with one goal."""
    known = {
        "key": "get",
        "title": "GET",
        "unit": "requests/s",
        "kind": Kind.READING,
        "run": lambda *_: Sample(value=1),
        "goals": (Goal("peer", 2),),
    }
    return Scenario(**(known | changed))


def taken(contender, *values, **more):
    """One sample a round."""
    return [Taken("get", contender, number, Sample(value=value, **more)) for number, value in enumerate(values)]


def test_a_summary_is_the_median_and_the_relative_spread():
    """One value far out moves the spread, not the middle."""
    assert (summarise([10, 11, 30]).median, summarise([10, 11, 30]).spread) == (11, pytest.approx(20 / 11))
    assert summarise([]) is None


def test_a_ratio_needs_both_sides():
    """Nothing is compared with a contender that was not there, or that did nothing."""
    assert ratio(summarise([6.0]), summarise([2.0])) == 3
    assert ratio(summarise([6.0]), None) is None
    assert ratio(None, summarise([2.0])) is None
    assert ratio(summarise([6.0]), summarise([0.0])) is None


def test_a_percentile_is_one_of_the_values():
    """The 99th of a hundred is the largest but none beyond."""
    assert percentile(range(1, 101), 0.99) == 100
    assert percentile([5], 0.5) == 5
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


def test_a_goal_is_a_floor_where_more_is_better_and_a_ceiling_where_less_is():
    """Twice the requests reach 'at least 2'; twice the seconds do not reach 'at most 2' by being more."""
    samples = taken("ours", 20) + taken("peer", 10)
    assert verdict(Goal("peer", 2), scenario(), samples) == (2, True)
    assert verdict(Goal("peer", 2.1), scenario(), samples) == (2, False)
    assert verdict(Goal("peer", 1.9), scenario(more_is_better=False), samples) == (2, False)
    assert verdict(Goal("absent", 2), scenario(), samples) == (None, None)


def test_the_table_shows_medians_spread_and_verdicts():
    """A row a scenario, a column a contender."""
    samples = taken("ours", 2000, 2100, 1900) + taken("peer", 900, 1000, 1100)
    table = render_table([scenario()], ["ours", "peer", "absent"], samples)
    assert "| GET | requests/s | 2,000 ±5% | 1,000 ±10% | - | 2 x peer (≥ 2: reached) |" in table


def test_wrong_answers_are_never_hidden():
    """A sample with failures says so in the table and in the costs."""
    samples = taken("ours", 2000, failed=3, requests=50)
    assert "with failures" in render_table([scenario()], ["ours"], samples)
    assert render_costs([scenario()], ["ours"], samples).rstrip().endswith("| 3 |")


def test_costs_of_bytes_are_told_per_gigabyte_and_of_requests_each():
    """CPU seconds of registry and nginx, apart."""
    large = taken("ours", 1, bytes=2_000_000_000, requests=2, cpu_app=1.0, cpu_proxy=3.0)
    small = taken("ours", 1, bytes=1000, requests=100, cpu_app=0.01, cpu_proxy=0.02)
    assert "0.50 + 1.50 s/GB" in render_costs([scenario()], ["ours"], large)
    assert "100 + 200 µs each" in render_costs([scenario()], ["ours"], small)


def test_the_picture_turns_seconds_round():
    """Half the time is twice as good."""
    one = scenario(more_is_better=False)
    samples = [*taken("ours", 1.0), *taken("distribution", 2.0), Taken("get", "debian", 0, None, "did not start")]
    document = as_document([one], samples, {"cores": 2}, {})
    assert advantages(document) == [("GET", {"distribution": 2.0})]
    assert document["scenarios"][0]["goals"][0]["reached"] is None


def test_a_credential_is_sent_as_basic_authentication():
    """As RFC 7617 spells it."""
    assert Credential("Aladdin", "open sesame").header == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
