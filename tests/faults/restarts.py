"""Restarts behind nginx, of the workers and of the whole service: requests wait, uploads go on where they were."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import ExitStack
from pathlib import Path

from tests.faults.outcome import Outcome
from tests.large_uploads import LargeUploads
from tests.load import Load
from tests.registry_app.rendered_nginx import NGINX, rendered_nginx
from tests.serving import free_port, start_registry

USER = ("load", "secret")


def why_not():
    """Why there can be no such run here, None if there can."""
    return None if Path(NGINX).exists() else "needs nginx"


def restarts(folder, *, count, seed, megabytes=24, pace=4):
    """`count` restarts, of workers and of the whole service in turn, under pushes, pulls and a large upload."""
    outcome, pick, port = Outcome(), random.Random(seed), free_port()
    with ExitStack() as cleanup:
        service = cleanup.enter_context(ExitStack())
        running = _start(service, folder, port)
        front = cleanup.enter_context(rendered_nginx(running, folder / "nginx"))
        load = Load("localhost", front.port, folder / "nginx" / "server.pem", lambda: USER)
        large = LargeUploads(front.port, front.context, megabytes=megabytes, pace=pace, seed=seed, login=":".join(USER))
        with load.running(), large.running():
            for number in range(count):
                load.is_served()
                time.sleep(pick.uniform(0, 2))
                if number % 2:
                    service.close()
                    running = _start(service, folder, port)
                else:
                    os.kill(running.process.pid, signal.SIGHUP)
                outcome.counts["of the whole service" if number % 2 else "of the workers"] += 1
            load.goes_on(1)
    outcome.counts.update(load.done + large.done)
    outcome.counts["longest wait, ms"] = round(load.longest * 1000)
    outcome.violations += load.failures + large.failures
    return outcome


def _start(service, folder, port):
    quiet = {"log": {"level": "error"}, "http": {"draintimeout": "2s", "secret": "shared by all starts"}}
    nginx = {"trusted_proxies": ["127.0.0.0/8"], "accel_redirect": "/_blobs/"}
    config = quiet | {"stackgen": nginx}
    return service.enter_context(
        start_registry(folder, config=config, users=dict([USER]), root=folder / "root", port=port)
    )
