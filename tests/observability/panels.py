"""What a person would see in each panel of a dashboard: real series in, words, colours and lines out. Pure.

As much of Grafana's own rules as our dashboards use: units, thresholds, mappings, overrides, legends, the order of tables.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

_TIMES = {
    "year": 31_536_000, "month": 2_592_000, "week": 604_800, "day": 86_400, "hour": 3_600, "minute": 60, "second": 1,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cell:
    """A text and the name of its colour, None for the usual one."""

    text: str
    colour: str | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One series of a graph: (time, value) points and how it is drawn. `shade`: its place among those of one colour."""

    label: str
    points: tuple[tuple[float, float], ...]
    colour: str | None = None
    shade: int = 0
    dashed: bool = False
    filled: bool = True


@dataclass(frozen=True, slots=True)
class Table:
    """Columns and rows in the order in which they are shown."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...] = field(default=())


def format_value(value: float, *, unit: str, decimals: int | None = None) -> str:
    """A number as Grafana's unit writes it. KeyError for a unit that no dashboard had so far."""
    match unit:
        case "percentunit":
            return f"{value * 100:.{1 if decimals is None else decimals}f}%"
        case "bytes" | "Bps":
            steps = ("B", "KiB", "MiB", "GiB", "TiB") if unit == "bytes" else ("B/s", "kB/s", "MB/s", "GB/s")
            return _scaled(value, steps, 1024 if unit == "bytes" else 1000)
        case "dtdurations":
            return _duration(value, parts=1 + (decimals or 0))
        case "s":
            return f"{value * 1000:.3g} ms" if abs(value) < 1 else f"{value:.3g} s"
        case "reqps" | "ops":
            return f"{value:.3g} {'req/s' if unit == 'reqps' else 'ops/s'}"
        case "short":
            return (
                f"{value:.0f}" if value == int(value) and abs(value) < 1000 else _scaled(value, ("", "K", "Mil"), 1000)
            )
        case _:
            raise KeyError(unit)


def _scaled(value: float, steps: tuple[str, ...], factor: int) -> str:
    for step in steps:
        if abs(value) < factor or step == steps[-1]:
            return f"{value:.3g} {step}".strip()
        value /= factor
    raise AssertionError


def _duration(seconds: float, *, parts: int) -> str:
    """So many parts from the largest on; the rest is cut off."""
    found, left = [], abs(seconds)
    for name, size in _TIMES.items():
        number, left = divmod(left, size)
        if len(found) < parts and (number or found):
            found.append(f"{int(number)} {name}{'' if number == 1 else 's'}")
    return ("-" if seconds < 0 else "") + (", ".join(found) or "0 seconds")


def options_of(panel: dict[str, Any], name: str = "") -> dict[str, Any]:
    """A panel's field options, the overrides for a field of that name laid over the defaults."""
    found = dict(panel["fieldConfig"]["defaults"])
    found["custom"] = dict(found.get("custom", {}))
    for override in panel["fieldConfig"]["overrides"]:
        if _matches(override["matcher"], name):
            for given in override["properties"]:
                place = found["custom"] if given["id"].startswith("custom.") else found
                place[given["id"].removeprefix("custom.")] = given["value"]
    return found


def _matches(matcher: dict[str, str], name: str) -> bool:
    if matcher["id"] == "byRegexp":
        return re.search(matcher["options"].strip("/"), name) is not None
    return matcher["options"] == name


def shown(value: float | str, options: dict[str, Any]) -> Cell:
    """A value with its mapping, else in its unit; in the colour of the mapping or the threshold that it has reached."""
    for mapping in options.get("mappings", []):
        key = f"{value:g}" if isinstance(value, float) else value
        if key in mapping["options"]:
            return Cell(mapping["options"][key]["text"], mapping["options"][key]["color"])
    if isinstance(value, str):
        return Cell(value)
    reached = [step for step in options["thresholds"]["steps"] if step["value"] is None or value >= step["value"]]
    text = format_value(value, unit=options.get("unit", "short"), decimals=options.get("decimals"))
    return Cell(text, reached[-1]["color"])


def stat(panel: dict[str, Any], results: list[dict[str, Any]], target: int = 0) -> Cell:
    """The big word or number of a stat panel, or of one of its targets where it has several."""
    options = options_of(panel, name_of(panel, results, target))
    if not results:
        return Cell(options["noValue"])
    return shown(float(results[-1]["value"][1]), options)


def name_of(panel: dict[str, Any], results: list[dict[str, Any]], target: int = 0) -> str:
    """What stands beside that word or number, where names are shown."""
    return legend(panel["targets"][target]["legendFormat"], results[-1]["metric"] if results else {})


def table(panel: dict[str, Any], results: dict[str, list[dict[str, Any]]]) -> Table:
    """A table of instant results by refId: merged by their labels, renamed, without hidden columns, sorted."""
    merged: dict[tuple[tuple[str, str], ...], dict[str, float | str]] = {}
    several = len(results) > 1
    for reference, found in results.items():
        for one in found:
            row = merged.setdefault(tuple(sorted((k, v) for k, v in one["metric"].items() if k != "__name__")), {})
            row |= one["metric"] | {f"Value #{reference}" if several else "Value": float(one["value"][1])}
    organize = next(each["options"] for each in panel["transformations"] if each["id"] == "organize")
    hidden, renamed, order = organize["excludeByName"], organize["renameByName"], organize["indexByName"]
    names = list(dict.fromkeys(name for row in merged.values() for name in row if not hidden.get(name)))
    names.sort(key=lambda name: (order.get(name, 99), name.startswith("Value")))
    rows = list(merged.values())
    for rule in reversed(panel["options"].get("sortBy", [])):
        key = next((name for name in names if renamed.get(name, name) == rule["displayName"]), None)
        if key is not None:
            rows.sort(key=lambda row: row.get(key, ""), reverse=rule["desc"])
    return Table(
        columns=tuple(renamed.get(name, name) for name in names),
        rows=tuple(tuple(_cell(panel, renamed.get(name, name), row.get(name, "")) for name in names) for row in rows),
    )


def _cell(panel: dict[str, Any], column: str, value: float | str) -> Cell:
    options = options_of(panel, column)
    found = shown(value, options)
    coloured = options["custom"].get("cellOptions", {}).get("type") == "color-text"
    return found if coloured else Cell(found.text)


def lines(panel: dict[str, Any], results: list[tuple[dict[str, Any], list[dict[str, Any]]]]) -> list[Line]:
    """The lines of a graph, from each target with its range results; labels as the legend writes them."""
    found = []
    for target, series in results:
        for one in series:
            label = legend(target["legendFormat"], one["metric"])
            options = options_of(panel, label)
            colour = options["color"].get("fixedColor") if options["color"]["mode"] in {"fixed", "shades"} else None
            shade = sum(line.colour == colour for line in found) if options["color"]["mode"] == "shades" else 0
            points = tuple((float(moment), float(value)) for moment, value in one["values"])
            dashed, filled = "lineStyle" in options["custom"], options["custom"]["fillOpacity"] > 0
            found.append(Line(label, points, colour, shade=shade, dashed=dashed, filled=filled))
    return found


def legend(template: str, labels: dict[str, str]) -> str:
    """`{{label}}` filled in."""
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda match: labels.get(match[1], ""), template).strip()
