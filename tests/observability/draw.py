"""Draws every panel of every dashboard from the real series of a Prometheus, one sheet for each dashboard.

    python -m tests.observability.draw http://127.0.0.1:9090 FOLDER [--minutes 60] [--at UNIX_TIME]

For where Grafana itself can't be had: the sheets have its layout, units, thresholds and words, so that a person can judge
what a dashboard tells. Wants matplotlib: pip install --group bench
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import time
import urllib.parse
import urllib.request
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgb
from matplotlib.dates import DateFormatter
from matplotlib.ticker import FuncFormatter, MaxNLocator

from tests.observability import panels

DASHBOARDS = Path(__file__).parents[2] / "grafana/dashboards"
POINTS = 240
UNIT = 0.78
"""Inches of a column and, times two fifths, of a row of Grafana's grid."""
COLOURS = {
    "green": "#73bf69", "red": "#f2495c", "orange": "#ff9830", "yellow": "#fade2a", "blue": "#5794f2",
    "purple": "#b877d9", "dark-red": "#c4162a", None: "#d0d0d8",
}  # fmt: skip


class Source:
    """A Prometheus, asked about one span of time."""

    def __init__(self, address: str, *, end: float, minutes: float) -> None:
        self._address, self.end, self.start = address.rstrip("/"), end, end - minutes * 60

    def instant(self, expression: str) -> list[dict]:
        return self._ask("query", query=expression, time=self.end)

    def over_time(self, expression: str) -> list[dict]:
        step = max(1, int((self.end - self.start) / POINTS))
        return self._ask("query_range", query=expression, start=self.start, end=self.end, step=step)

    def _ask(self, what: str, **parameters: object) -> list[dict]:
        address = f"{self._address}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(address, timeout=30) as answer:  # noqa: S310 - the address that was given
            return json.load(answer)["data"]["result"]


def draw(dashboard: dict, source: Source, target: Path) -> list[str]:
    """Writes one sheet; gives the titles of the panels that had nothing to show."""
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in dashboard["panels"])
    sheet = plt.figure(figsize=(24 * UNIT, (height + 1) * UNIT * 0.42), facecolor="#111217")
    moment = dt.datetime.fromtimestamp(source.end, dt.UTC)
    sheet.suptitle(f"{dashboard['title']} · {moment:%Y-%m-%d %H:%M} UTC", color="white", x=0.01, ha="left", y=0.998)
    empty = []
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        box = (
            (place["x"] + 0.12) / 24,
            1 - (place["y"] + place["h"] + 0.9) / (height + 1),
            (place["w"] - 0.24) / 24,
            (place["h"] - 0.25) / (height + 1),
        )
        if not _DRAWN[panel["type"]](sheet, box, panel, source):
            empty.append(panel["title"])
    sheet.savefig(target, dpi=75, facecolor=sheet.get_facecolor())
    plt.close(sheet)
    return empty


def _row(sheet, box, panel, source) -> bool:
    sheet.text(box[0], box[1], panel["title"], color="white", fontsize=11, weight="bold", va="bottom")
    return True


def _frame(sheet, box, panel):
    frame = sheet.add_axes(box, facecolor="#181b1f")
    frame.set_xticks([])
    frame.set_yticks([])
    for side in frame.spines.values():
        side.set_color("#2c3235")
    frame.text(0.02, 0.97, panel["title"], color="#d8d9da", fontsize=9, va="top", transform=frame.transAxes)
    return frame


def _stat(sheet, box, panel, source) -> bool:
    answered = [source.instant(target["expr"]) for target in panel["targets"]]
    frame = _frame(sheet, box, panel)
    filled = panel["options"]["colorMode"] == "background"
    share = 1 / len(answered)
    for number, results in enumerate(answered):
        cell = panels.stat(panel, results, number)
        colour = COLOURS[cell.colour] if cell.colour else "#3a3f45"
        if filled:
            frame.axvspan(number * share, (number + 1) * share, color=colour, zorder=0)
        named = panel["options"]["textMode"] == "value_and_name"
        frame.text(
            (number + 0.5) * share,
            0.42,
            f"{panels.name_of(panel, results, number)}\n{cell.text}" if named else cell.text,
            color="white" if filled else colour,
            fontsize=12 if named or len(cell.text) >= 10 else 20,
            ha="center",
            va="center",
            weight="bold",
        )
    frame.set_xlim(0, 1)
    return any(answered)


def _table(sheet, box, panel, source) -> bool:
    found = panels.table(panel, {target["refId"]: source.instant(target["expr"]) for target in panel["targets"]})
    frame = _frame(sheet, box, panel)
    if not found.rows:
        frame.text(0.5, 0.5, panel["fieldConfig"]["defaults"]["noValue"], color="#d0d0d8", ha="center")
        return False
    lines = int(panel["gridPos"]["h"] * 1.3) - 2
    widths = [max(len(name), *(len(row[n].text) for row in found.rows)) + 2 for n, name in enumerate(found.columns)]
    for column, name in enumerate(found.columns):
        left = 0.03 + 0.94 * sum(widths[:column]) / sum(widths)
        frame.text(left, 0.83, name, color="#6e9fff", fontsize=8, va="top")
        for number, row in enumerate(found.rows[:lines]):
            cell = row[column]
            height = 0.83 - 0.8 * (number + 1) / (lines + 1)
            frame.text(left, height, cell.text, color=COLOURS[cell.colour], fontsize=8, va="top", clip_on=True)
    return True


def _timeseries(sheet, box, panel, source) -> bool:
    lines = panels.lines(panel, [(target, source.over_time(target["expr"])) for target in panel["targets"]])
    _frame(sheet, box, panel)
    x, y, width, height = box
    axes = sheet.add_axes((x + width * 0.14, y + height * 0.25, width * 0.83, height * 0.6), facecolor="#181b1f")
    options = panels.options_of(panel)
    palette = iter(plt.colormaps["tab20"].colors * 3)
    colours = [_shaded(line) if line.colour else next(palette) for line in lines]
    times = sorted({moment for line in lines for moment, _ in line.points})
    base = dict.fromkeys(times, 0.0)
    stacked = options["custom"]["stacking"]["mode"] == "normal"
    for line, colour in zip(lines, colours, strict=True):
        moments = [dt.datetime.fromtimestamp(moment, dt.UTC) for moment, _ in line.points]
        floor = [base[moment] if stacked else 0.0 for moment, _ in line.points]
        values = [value + below for (_, value), below in zip(line.points, floor, strict=True)]
        axes.plot(
            moments, values, color=colour, linewidth=1.2, linestyle="--" if line.dashed else "-", label=line.label
        )
        if line.filled:
            axes.fill_between(moments, floor, values, color=colour, alpha=0.5 if stacked else 0.1, linewidth=0)
        base |= dict(zip([moment for moment, _ in line.points], values, strict=True)) if stacked else {}
    axes.set_xlim(dt.datetime.fromtimestamp(source.start, dt.UTC), dt.datetime.fromtimestamp(source.end, dt.UTC))
    highest = max([value for line in lines for _, value in line.points], default=0)
    soft = options["custom"].get("axisSoftMax", 0)
    axes.set_ylim(bottom=options.get("min"), top=options.get("max", soft if soft > highest else None))
    axes.xaxis.set_major_formatter(DateFormatter("%H:%M"))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    unit = options.get("unit", "short")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: panels.format_value(value, unit=unit)))
    axes.tick_params(colors="#8e8e8e", labelsize=7, length=2)
    axes.grid(color="#2c3235", linewidth=0.5)
    for side in axes.spines.values():
        side.set_visible(False)
    if lines:
        axes.legend(
            loc="upper left", bbox_to_anchor=(-0.16, -0.12), ncols=min(4, len(lines)), fontsize=7, frameon=False,
            labelcolor="#d0d0d8", handlelength=1, columnspacing=1,
        )  # fmt: skip
    else:
        axes.text(0.5, 0.5, options.get("noValue", "No data"), color="#d0d0d8", ha="center", transform=axes.transAxes)
    return bool(lines)


def _shaded(line: panels.Line) -> tuple[float, float, float]:
    """Its colour, darker for each line of that colour before it."""
    red, green, blue = to_rgb(COLOURS[line.colour])
    return red * 0.75**line.shade, green * 0.75**line.shade, blue * 0.75**line.shade


_DRAWN = {"row": _row, "stat": _stat, "table": _table, "timeseries": _timeseries}


def main() -> None:
    """Draws both dashboards, and says which panels had nothing to show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prometheus", help="its address")
    parser.add_argument("folder", type=Path, help="where the sheets go")
    parser.add_argument("--minutes", type=float, default=60, help="so many before the moment are drawn")
    parser.add_argument("--at", type=float, default=None, help="the moment, as Unix time; now if not given")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    source = Source(given.prometheus, end=given.at or time.time(), minutes=given.minutes)
    for path in sorted(DASHBOARDS.glob("*.json")):
        target = given.folder / f"{path.stem}.png"
        empty = draw(json.loads(path.read_text(encoding="utf-8")), source, target)
        print(target, "nothing to show in:" if empty else "", ", ".join(empty))  # noqa: T201 - it is a command


if __name__ == "__main__":
    main()
