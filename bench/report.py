"""Samples as a table, with ratios and the goals' verdicts, and as JSON. Pure."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from bench.statistics import Summary, ratio, summarise

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.runner import Taken
    from bench.sample import Sample
    from bench.scenario import Goal, Scenario

OURS = "ours"


def samples_of(taken: Sequence[Taken], scenario: str, contender: str) -> list[Sample]:
    """What was taken of one pair, without the failures."""
    found = (t.sample for t in taken if t.scenario == scenario and t.contender == contender)
    return [sample for sample in found if sample is not None]


def summary_of(taken: Sequence[Taken], scenario: str, contender: str) -> Summary | None:
    """Median and spread of the values of one pair."""
    return summarise([sample.value for sample in samples_of(taken, scenario, contender)])


def verdict(goal: Goal, scenario: Scenario, taken: Sequence[Taken]) -> tuple[float | None, bool | None]:
    """The ratio that a goal speaks of, and whether it is reached; None where a contender is missing."""
    value = ratio(summary_of(taken, scenario.key, OURS), summary_of(taken, scenario.key, goal.against))
    if value is None:
        return None, None
    return value, value >= goal.bound if scenario.more_is_better else value <= goal.bound


def render_table(scenarios: Sequence[Scenario], contenders: Sequence[str], taken: Sequence[Taken]) -> str:
    """A Markdown table: medians with spread, then our ratio against each goal."""
    lines = [
        "| scenario | unit | " + " | ".join(contenders) + " | goals |",
        "|---|---|" + "---|" * (len(contenders) + 1),
    ]
    for scenario in scenarios:
        cells = [_cell(samples_of(taken, scenario.key, name)) for name in contenders]
        goals = "; ".join(_goal(goal, scenario, taken) for goal in scenario.goals)
        lines.append(f"| {scenario.title} | {scenario.unit} | " + " | ".join(cells) + f" | {goals} |")
    return "\n".join(lines) + "\n"


def render_costs(scenarios: Sequence[Scenario], contenders: Sequence[str], taken: Sequence[Taken]) -> str:
    """A Markdown table of what the work took: CPU (per GB, or per request), p99, peak memory of the largest process."""
    lines = ["| scenario | contender | CPU registry + nginx | p99 or wait | peak MB registry / nginx | failed |"]
    lines.append("|---|---|---|---|---|---|")
    for scenario in scenarios:
        for name in contenders:
            samples = samples_of(taken, scenario.key, name)
            if samples:
                lines.append(f"| {scenario.key} | {name} | " + " | ".join(_costs(samples)) + " |")
    return "\n".join(lines) + "\n"


def as_document(
    scenarios: Sequence[Scenario], taken: Sequence[Taken], machine: Mapping[str, Any], alone: Mapping[str, Any]
) -> dict[str, Any]:
    """Everything, for bench/results/."""
    return {
        "machine": dict(machine),
        "scenarios": [
            {
                "key": s.key,
                "title": s.title,
                "unit": s.unit,
                "more_is_better": s.more_is_better,
                "goals": [
                    asdict(g) | dict(zip(("ratio", "reached"), verdict(g, s, taken), strict=True)) for g in s.goals
                ],
            }
            for s in scenarios
        ],
        "alone": dict(alone),
        "samples": [
            {"scenario": t.scenario, "contender": t.contender, "round": t.round, "error": t.error}
            | (asdict(t.sample) if t.sample else {})
            for t in taken
        ],
    }


def _judged(goal: Goal, scenario: Scenario, taken: Sequence[Taken]) -> dict[str, Any]:
    value, reached = verdict(goal, scenario, taken)
    return asdict(goal) | {"ratio": value, "reached": reached}


def significant(value: float) -> str:
    """A number as people read it: three digits that count, thousands separated."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _cell(samples: Sequence[Sample]) -> str:
    summary = summarise([sample.value for sample in samples])
    if summary is None:
        return "-"
    failed = "" if not any(sample.failed for sample in samples) else " (with failures)"
    return f"{significant(summary.median)} ±{summary.spread / 2:.0%}{failed}"


def _goal(goal: Goal, scenario: Scenario, taken: Sequence[Taken]) -> str:
    value, reached = verdict(goal, scenario, taken)
    sign = "≥" if scenario.more_is_better else "≤"
    if value is None:
        return f"{sign} {goal.bound:g} x {goal.against}: not measured"
    return f"{significant(value)} x {goal.against} ({sign} {goal.bound:g}: {'reached' if reached else 'missed'})"


def _costs(samples: Sequence[Sample]) -> tuple[str, str, str, str]:
    middle = sorted(samples, key=lambda sample: sample.value)[len(samples) // 2]
    cpu = middle.cpu_app + middle.cpu_proxy
    if middle.cpu_per_gb is not None and middle.requests < 1000:
        spent = f"{middle.cpu_app / (middle.bytes / 1e9):.2f} + {middle.cpu_proxy / (middle.bytes / 1e9):.2f} s/GB"
    elif middle.requests > 1:
        spent = f"{1e6 * middle.cpu_app / middle.requests:.0f} + {1e6 * middle.cpu_proxy / middle.requests:.0f} µs each"
    else:
        spent = f"{cpu:.2f} s"
    wait = "-" if middle.p99_ms is None else f"{middle.p99_ms:.1f} ms"
    memory = f"{max(s.memory_app for s in samples) / 1e6:.0f} / {max(s.memory_proxy for s in samples) / 1e6:.0f}"
    return spent, wait, memory, str(sum(sample.failed for sample in samples))
