"""The picture for the README: our median in units of each peer's, on a logarithmic scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.statistics import summarise

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

PEERS = {"distribution": "#4477aa", "distribution-open": "#66ccee", "debian": "#aa3377"}
NAMES = {
    "distribution": "distribution 3.1.1, htpasswd",
    "distribution-open": "distribution 3.1.1, no authentication",
    "debian": "docker-registry 2.8, htpasswd",
}


def advantages(document: Mapping[str, Any]) -> list[tuple[str, dict[str, float]]]:
    """For each scenario its title, and how many times better ours is than each peer. Pure."""
    rows = []
    for scenario in document["scenarios"]:
        values = {
            name: summarise([s["value"] for s in document["samples"] if _is(s, scenario["key"], name)])
            for name in ("ours", *PEERS)
        }
        ours = values.pop("ours")
        if ours is None:
            continue
        better = {
            name: ours.median / theirs.median if scenario["more_is_better"] else theirs.median / ours.median
            for name, theirs in values.items()
            if theirs is not None and theirs.median and ours.median
        }
        rows.append((scenario["title"], better))
    return rows


def draw(document: Mapping[str, Any], targets: Sequence[Path]) -> None:
    """Writes the picture to each path, in the format its suffix names. Raises ImportError without matplotlib."""
    import matplotlib as mpl  # noqa: PLC0415 - optional: only who draws needs it

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "bench"
    from matplotlib import pyplot as plt  # noqa: PLC0415

    rows = advantages(document)
    figure, axes = plt.subplots(figsize=(9, 0.42 * len(rows) + 1.4))
    for number, (_, better) in enumerate(rows):
        for lane, (name, colour) in enumerate(PEERS.items()):
            if name in better:
                place = number + (lane - 1) * 0.26
                axes.barh(place, better[name] - 1, left=1, height=0.24, color=colour)
                axes.text(max(better[name], 1) * 1.04, place, f"{better[name]:.3g} x", va="center", fontsize=6)
    axes.set_yticks(range(len(rows)), [title for title, _ in rows], fontsize=8)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlim(right=2.5 * axes.get_xlim()[1])
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlabel("times better than the peer: medians of one run", fontsize=8)
    shown = [name for name in PEERS if any(name in better for _, better in rows)]
    handles = [plt.Rectangle((0, 0), 1, 1, color=PEERS[name]) for name in shown]
    axes.legend(handles, [NAMES[name] for name in shown], fontsize=7, loc="upper right", bbox_to_anchor=(1, 0.66))
    figure.tight_layout()
    for target in targets:
        figure.savefig(target, dpi=150, metadata={"Date": None} if target.suffix == ".svg" else None)


def _is(sample: Mapping[str, Any], scenario: str, contender: str) -> bool:
    return sample["scenario"] == scenario and sample["contender"] == contender and "value" in sample
