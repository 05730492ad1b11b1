"""Runs every scenario against every contender in turn, A B A B, and keeps all samples."""

from __future__ import annotations

import mmap
import os
import shutil
import subprocess
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.client import Client
from bench.contenders import RunningContender
from bench.processes import cpu_seconds
from bench.proxy import Backend, Proxy
from bench.scenario import Context, Kind
from bench.stand import Stand
from bench.workspace import free_port
from bench.writing import CLIENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bench.contenders import Contender
    from bench.sample import Sample
    from bench.scenario import Scale, Scenario
    from bench.tree import Tree
    from bench.workspace import Workspace

STATIC = "nginx-static"
CONNECTIONS_TO_MEET_ALL_WORKERS = 6
LONGEST_START = 60.0
IDLE_SECONDS = 0.5
DROP_CACHES = Path("/proc/sys/vm/drop_caches")


@dataclass(frozen=True, slots=True)
class Taken:
    """One sample, and what it is of; `error` where there is none."""

    scenario: str
    contender: str
    round: int
    sample: Sample | None
    error: str = ""


class Place:
    """One contender's ports, store and process, which can be started anew."""

    def __init__(self, contender: Contender, workspace: Workspace, root: Path) -> None:
        self.contender, self.root = contender, root
        self.public_port, self.port = free_port(), free_port()
        self._workspace = workspace
        self._running: RunningContender | None = None
        self.warm = False

    @property
    def pid(self) -> int | None:
        """The registry's process id while it runs."""
        return self._running.pid if self._running else None

    def start(self) -> float:
        """Starts it; gives the seconds to its first answer."""
        self._running = RunningContender(self.contender, self._workspace, root=self.root, port=self.port)
        self.warm = False
        return self._running.started_in

    def stop(self) -> None:
        """Ends it, if it runs."""
        if self._running is not None:
            self._running.stop()
            self._running = None


def run_scenarios(
    scenarios: Sequence[Scenario],
    contenders: Sequence[Contender],
    workspace: Workspace,
    *,
    tree: Tree,
    scale: Scale,
    told: Callable[[Taken], None],
) -> list[Taken]:
    """Every sample of every scenario; `told` hears of each as it is taken."""
    taken: list[Taken] = []
    for kind in Kind:
        wanted = [scenario for scenario in scenarios if scenario.kind is kind]
        if not wanted:
            continue
        with _field(kind, contenders, workspace, tree) as (places, proxy):
            for scenario in wanted:
                if not scenario.cold:
                    _warm_up(places, proxy, workspace)
                for number in range(scale.rounds):
                    # In turn, and each second time backwards, so that a drift of the machine meets all alike.
                    order = places if number % 2 == 0 else places[::-1]
                    for place in order:
                        if place.contender.name == STATIC and not scenario.with_static:
                            continue
                        taken.append(_take(scenario, place, proxy, workspace, Context(scale, tree, number)))
                        told(taken[-1])
    return taken


def _warm_up(places: Sequence[Place], proxy: Proxy, workspace: Workspace) -> None:
    """Warm means: every worker process has met every user, and nothing of the start is left to do.

    Those who remember nobody, or do nothing at a start, gain nothing by it.
    """
    for place in places:
        if place.pid is None or place.warm:
            continue
        place.warm = True
        if place.contender.authenticated:
            for _ in range(CONNECTIONS_TO_MEET_ALL_WORKERS):
                for number in range(len(workspace.credentials)):
                    with Client(_stand(place, proxy, workspace), number) as client:
                        client.ask("GET", "/v2/")
        _wait_until_idle(place.pid)


def _wait_until_idle(pid: int) -> None:
    """Returns when a process and its children hardly use a processor, or after a minute."""
    end = time.monotonic() + LONGEST_START
    while time.monotonic() < end:
        before = cpu_seconds(pid)
        time.sleep(IDLE_SECONDS)
        if cpu_seconds(pid) - before < IDLE_SECONDS / 20:
            return


def _stand(place: Place, proxy: Proxy, workspace: Workspace) -> Stand:
    return Stand(
        name=place.contender.name,
        port=place.public_port,
        app=place.pid,
        proxy=proxy,
        workspace=workspace,
        credentials=workspace.credentials if place.contender.authenticated else (),
    )


def _take(scenario: Scenario, place: Place, proxy: Proxy, workspace: Workspace, context: Context) -> Taken:
    name = place.contender.name
    try:
        if scenario.cold:
            place.stop()
            _empty_page_cache()
            place.start()
        if scenario.kind is Kind.WRITING:
            _level_the_ground(context.scale)
        stand = _stand(place, proxy, workspace)
        sample = stand.measured(lambda stand: scenario.run(stand, context))
        with Client(stand) as client:
            wrong = sum(not look(client) for look in context.due)
    except (RuntimeError, OSError) as error:
        return Taken(scenario.key, name, context.round, None, str(error))
    return Taken(scenario.key, name, context.round, replace(sample, failed=sample.failed + wrong))


@contextmanager
def _field(
    kind: Kind, contenders: Sequence[Contender], workspace: Workspace, tree: Tree
) -> Iterator[tuple[list[Place], Proxy]]:
    with ExitStack() as stack:
        places = []
        for contender in contenders:
            root = tree.root if kind is Kind.READING else workspace.folder / "stores" / contender.name
            root.mkdir(parents=True, exist_ok=True)
            places.append(Place(contender, workspace, root))
            if contender.command:
                places[-1].start()
                stack.callback(places[-1].stop)
        backends = {p.public_port: Backend(p.port if p.contender.command else None, p.root) for p in places}
        proxy = Proxy(workspace, backends)
        stack.callback(proxy.stop)
        yield places, proxy
    shutil.rmtree(workspace.folder / "stores", ignore_errors=True)
    shutil.rmtree(workspace.folder / "layouts", ignore_errors=True)


def _level_the_ground(scale: Scale) -> None:
    """Gives every writer the same machine: nothing left to write back, and free memory that is really there.

    A virtual machine hands free memory back to its host; whoever writes first then pays for getting it again, up to
    ten times what writing costs.
    """
    os.sync()
    needed = max(scale.pushed_blob, CLIENTS * scale.pushed_blobs_size) * 5 // 4
    with mmap.mmap(-1, needed, flags=mmap.MAP_PRIVATE) as memory:
        for place in range(0, needed, mmap.PAGESIZE):
            memory[place] = 1


def _empty_page_cache() -> None:
    """Best effort: only root may."""
    subprocess.run(["sync"], check=True)
    try:
        DROP_CACHES.write_text("1")
    except OSError:
        print("  (the page cache stays warm: only root may empty it)")
