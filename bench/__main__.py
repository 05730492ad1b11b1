"""`scripts/bench`: brings up ours and the peers, measures them in turn, prints and stores the table."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench import reading, writing
from bench.contenders import Contender, ours
from bench.lists import MANIFESTS, REPOSITORIES, measure_lists
from bench.plot import draw
from bench.report import OURS, as_document, render_costs, render_table, samples_of, significant
from bench.runner import STATIC, run_scenarios
from bench.scenario import FULL, SHORT
from bench.solo import measure_floor, measure_huge_push, measure_start
from bench.tree import write_referrers, write_tree
from bench.workspace import make_workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.runner import Taken
    from bench.scenario import Scale, Scenario

RESULTS = Path(__file__).parent / "results"
PROGRAMS = ("nginx", "wrk", "ab", "skopeo", "openssl")


@click.command()
@click.option("--short", "scale", flag_value=SHORT, type=click.UNPROCESSED, help="Seconds instead of minutes; for CI.")
@click.option(
    "--full", "scale", flag_value=FULL, type=click.UNPROCESSED, default=FULL, help="What the README tells of."
)
@click.option("--distribution", envvar="BENCH_DISTRIBUTION", help="Path of distribution's `registry` program.")
@click.option("--docker-registry", envvar="BENCH_DOCKER_REGISTRY", default="docker-registry", show_default=True,
              help="Debian's docker-registry.")  # fmt: skip
@click.option("--only", help="Comma-separated beginnings of scenario keys.")
@click.option("--rounds", type=click.IntRange(1), help="Instead of the scale's.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Where to work; a temporary folder by default.",
)
@click.option("--output", type=click.Path(path_type=Path), help="JSON file; bench/results/<time>.json by default.")
def main(
    scale: Scale, distribution: str | None, docker_registry: str, only: str | None, rounds: int | None,
    folder: Path | None, output: Path | None,
) -> None:  # fmt: skip
    """Measures this checkout's registry against its peers, each behind the same nginx with TLS and users."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        raise click.ClickException(f"needed and not here: {', '.join(missing)} (scripts/prerequisites installs them)")
    scale = replace(scale, rounds=rounds or scale.rounds)
    scenarios = _chosen(only)
    contenders = _contenders(distribution, docker_registry)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=folder) as place:
        taken, alone = _measure(scenarios, contenders, Path(place), scale, everything=only is None)
    names = [contender.name for contender in contenders]
    print("\n" + render_table(scenarios, names, taken) + "\n" + render_costs(scenarios, names, taken))
    for name, value in alone.items():
        print(f"{name}: {value}")
    document = as_document(scenarios, taken, _machine(), alone)
    _store(document, output, pictures=scale is FULL or output is None)
    sys.exit(_nonsense(scenarios, taken))


def _chosen(only: str | None) -> list[Scenario]:
    every = [*reading.SCENARIOS, *writing.SCENARIOS]
    return [s for s in every if only is None or s.key.startswith(tuple(only.split(",")))]


def _contenders(distribution: str | None, docker_registry: str) -> list[Contender]:
    found = [ours()]
    if distribution and shutil.which(distribution):
        found.append(Contender("distribution", (distribution,)))
        found.append(Contender("distribution-open", (distribution,), authenticated=False))
    else:
        print("distribution: not here (name its program with --distribution or BENCH_DISTRIBUTION)")
    if shutil.which(docker_registry):
        found.append(Contender("debian", (docker_registry,)))
    else:
        print("docker-registry: not here (Debian's package of that name, or --docker-registry)")
    return [*found, Contender(STATIC, (), authenticated=False)]


def _measure(
    scenarios: Sequence[Scenario], contenders: Sequence[Contender], folder: Path, scale: Scale, *, everything: bool
) -> tuple[list[Taken], dict[str, Any]]:
    workspace = make_workspace(folder)
    print("writing the tree …", flush=True)
    tree = write_tree(
        folder / "tree", repositories=scale.repositories, tags=5, many=scale.many_tags, large=scale.large_blob
    )
    units = {scenario.key: scenario.unit for scenario in scenarios}

    def tell(taken: Taken) -> None:
        value = f"{significant(taken.sample.value)} {units[taken.scenario]}" if taken.sample else taken.error
        print(f"  {taken.scenario:20} {taken.contender:18} {value}", flush=True)

    taken = run_scenarios(scenarios, contenders, workspace, tree=tree, scale=scale, told=tell)
    if not everything:
        return taken, {}
    alone: dict[str, Any] = {
        f"floor, GB/s: {k}": round(v, 2) for k, v in measure_floor(folder, scale.pushed_blob).items()
    }
    huge = measure_huge_push(ours(workers=1), workspace, scale)
    alone["huge push, one worker"] = {
        "GB": round(scale.huge / 1e9, 2),
        "GB/s": round(huge.value, 3),
        "wait for the answer, ms": round(huge.p99_ms or 0),
        "peak MB of the worker": round(huge.memory_app / 1e6),
        "peak MB of nginx": round(huge.memory_proxy / 1e6),
    }
    for contender in contenders[:2]:
        if contender.command:
            starts = measure_start(contender, workspace, scale)
            alone[f"start to first answer, seconds, {contender.name}"] = [round(value, 2) for value in starts]
    if scale.repositories >= REPOSITORIES:
        subject = write_referrers(tree.root, "team/signed", manifests=MANIFESTS)
        costs = measure_lists(workspace, tree.root, subject)
        alone["lists, CPU ms of the service after a start / later"] = {
            name: f"{cost.cold_cpu:.1f} / {cost.warm_cpu:.2f}" for name, cost in costs.items()
        }
    return taken, alone


def _machine() -> dict[str, Any]:
    def version(*command: str) -> str:
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        return (done.stdout + done.stderr).strip().split("\n")[0]

    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "load before": os.getloadavg()[0],
        "kernel": platform.release(),
        "python": platform.python_version(),
        "nginx": version("nginx", "-v"),
        "commit": version("git", "-C", str(RESULTS.parent), "rev-parse", "--short", "HEAD"),
    }


def _store(document: dict[str, Any], output: Path | None, *, pictures: bool) -> None:
    RESULTS.mkdir(exist_ok=True)
    target = output or RESULTS / f"{document['machine']['time'].replace(':', '')}.json"
    target.write_text(json.dumps(document, indent=1) + "\n")
    print(f"stored {target}")
    if pictures:
        try:
            draw(document, [target.with_suffix(".svg"), target.with_suffix(".png")])
        except ImportError:
            print("no picture: matplotlib is in the dependency group `bench`")


def _nonsense(scenarios: Sequence[Scenario], taken: Sequence[Taken]) -> int:
    """1 where ours failed at a scenario or gave a wrong answer; speed is judged by people."""
    wrong = [t for t in taken if t.contender == OURS and (t.sample is None or t.sample.failed or t.sample.value <= 0)]
    wrong_keys = {t.scenario for t in wrong} | {s.key for s in scenarios if not samples_of(taken, s.key, OURS)}
    for key in sorted(wrong_keys):
        print(f"nonsense: {key}: ours failed, or answered wrongly")
    return int(bool(wrong_keys))


if __name__ == "__main__":
    main()
