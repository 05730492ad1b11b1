"""What the drawn panels show is what Grafana would: units, thresholds, mappings, legends, the order of rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.observability.panels import Cell, format_value, lines, options_of, stat, table

DASHBOARDS = Path(__file__).parents[2] / "grafana/dashboards"


def panel(title):
    """The panel of that title, of whichever dashboard."""
    for path in DASHBOARDS.glob("*.json"):
        for one in json.loads(path.read_text())["panels"]:
            if one["title"] == title:
                return one
    raise KeyError(title)


def instant(value, **labels):
    """One result as Prometheus answers an instant query."""
    return {"metric": {"instance": "registry:5001", "job": "registry", **labels}, "value": [0, str(value)]}


@pytest.mark.parametrize(
    ("value", "unit", "decimals", "text"),
    [
        (0.4712, "percentunit", 0, "47%"),
        (0.092, "percentunit", 1, "9.2%"),
        (1500, "bytes", None, "1.46 KiB"),
        (7_500_000, "Bps", None, "7.5 MB/s"),
        (34_300_000, "dtdurations", 1, "1 year, 1 month"),
        (1500, "dtdurations", 0, "25 minutes"),
        (0.18, "s", None, "180 ms"),
        (4.5, "reqps", None, "4.5 req/s"),
        (3, "short", None, "3"),
        (1160, "short", None, "1.16 K"),
    ],
)
def test_a_value_is_written_in_its_unit(value, unit, decimals, text):
    """As Grafana's units are."""
    assert format_value(value, unit=unit, decimals=decimals) == text


def test_every_unit_of_the_dashboards_can_be_written():
    """A unit that nobody taught the drawing fails here, not on somebody's sheet."""
    for path in DASHBOARDS.glob("*.json"):
        for one in json.loads(path.read_text())["panels"]:
            if one["type"] != "row":
                names = [override["matcher"]["options"] for override in one["fieldConfig"]["overrides"]]
                for name in ["", *names]:
                    format_value(1.5, unit=options_of(one, name).get("unit", "short"))


def test_a_stat_has_the_word_and_the_colour_of_what_it_shows():
    """Mapped values by their words, numbers by the threshold that they have reached, nothing as nothing."""
    assert stat(panel("Registry"), [instant(1)]) == Cell("up", "green")
    assert stat(panel("Registry"), [instant(0)]) == Cell("DOWN", "red")
    assert stat(panel("Free space"), [instant(0.15)]) == Cell("15%", "orange")
    assert stat(panel("Last collection"), []) == Cell("not yet")
    for state, colour in (("in time", "green"), ("overdue", "orange")):
        assert stat(panel("Last collection"), [instant(7300, state=state)]) == Cell("2 hours", colour)


def test_firing_alerts_are_red_only_where_one_is_critical():
    """A warning is for working hours: orange; who sees red must go."""
    shown = panel("Alerts firing")
    names = [target["legendFormat"] for target in shown["targets"]]
    assert names == ["critical", "warning"]
    # A rule of one's own may have no severity: it must be seen somewhere.
    for target, operator in zip(shown["targets"], ("=", "!="), strict=True):
        assert f'severity{operator}"critical"' in target["expr"]
    for number, colour in enumerate(("red", "orange")):
        assert stat(shown, [instant(2)], number) == Cell("2", colour)
        assert stat(shown, [instant(0)], number) == Cell("0", "green")


def test_alerts_are_named_with_what_they_are_on_the_worst_first():
    """Firing before pending, critical before warning; a target, a task or a disk by its name."""
    found = table(
        panel("Alerts"),
        {
            "A": [
                instant(1, alertname="DiskFullSoon", alertstate="pending", severity="warning", on="registry"),
                instant(1, alertname="MonitoringTargetDown", alertstate="firing", severity="warning", on="cadvisor"),
                instant(1, alertname="RegistryErrors", alertstate="firing", severity="critical"),
            ]
        },
    )
    assert found.columns == ("Alert", "On", "Severity", "State")
    assert [row[0].text for row in found.rows] == ["RegistryErrors", "MonitoringTargetDown", "DiskFullSoon"]
    assert found.rows[1][1:] == (Cell("cadvisor"), Cell("warning", "orange"), Cell("firing", "red"))


def test_values_of_several_queries_meet_in_one_row():
    """The last runs: when, how long, how they ended."""
    found = table(
        panel("Last runs"),
        {"A": [instant(90, task="gc")], "B": [instant(0.05, task="gc")], "C": [instant(0, task="gc")]},
    )
    assert found.columns == ("Task", "Ago", "Took", "Ended")
    assert found.rows == ((Cell("gc"), Cell("1 minute"), Cell("50 ms"), Cell("FAILED", "red")),)


def test_a_line_has_its_legend_and_its_colour():
    """Answers by their class: what failed is red, the second of its class darker."""
    shown = panel("Requests by answer")
    series = [{"metric": {"code": code}, "values": [[0, "1"], [15, "2"]]} for code in ("200", "500", "503")]
    found = lines(shown, [(shown["targets"][0], series)])
    assert [(line.label, line.colour, line.shade) for line in found] == [
        ("200", "green", 0),
        ("500", "red", 0),
        ("503", "red", 1),
    ]
    assert found[0].points == ((0.0, 1.0), (15.0, 2.0))
