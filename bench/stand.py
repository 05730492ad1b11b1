"""A contender in its place behind nginx, and the measuring of what is done to it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bench.processes import reset_peak, usage

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.proxy import Proxy
    from bench.sample import Sample
    from bench.workspace import Credential, Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """Where a contender is reached, and as whom. `app` is its process id; None for nginx's own files."""

    name: str
    port: int
    app: int | None
    proxy: Proxy
    workspace: Workspace
    credentials: tuple[Credential, ...]

    @property
    def url(self) -> str:
        """Base URL through nginx, without a trailing slash."""
        return f"https://localhost:{self.port}"

    def headers(self, number: int = 0) -> dict[str, str]:
        """Authorization of one of the users; nothing for a registry without users."""
        if not self.credentials:
            return {}
        return {"Authorization": self.credentials[number % len(self.credentials)].header}

    def measured(self, run: Callable[[Stand], Sample]) -> Sample:
        """The sample that `run` gives, with time, CPU and memory of registry and nginx during it."""
        parties = [pid for pid in (self.app, self.proxy.pid) if pid is not None]
        for pid in parties:
            reset_peak(pid)
        before = {pid: usage(pid) for pid in parties}
        start = time.monotonic()
        sample = run(self)
        seconds = time.monotonic() - start
        after = {pid: usage(pid) for pid in parties}
        app = self.app
        return replace(
            sample,
            seconds=sample.seconds or seconds,
            cpu_app=after[app].cpu - before[app].cpu if app is not None else 0.0,
            cpu_proxy=after[self.proxy.pid].cpu - before[self.proxy.pid].cpu,
            memory_app=after[app].peak if app is not None else 0,
            memory_proxy=after[self.proxy.pid].peak,
        )
