"""The registry's container restarts while clients push and pull through nginx.

CONTAINER_RESTARTS=100 does it as often, of workers and container in turn, with uploads of 1 GB; FAULT_SEED repeats a run.
"""

from __future__ import annotations

import logging
import os
import random
import ssl

import pytest

from tests.large_uploads import LargeUploads
from tests.live.stack import LiveStack, succeed
from tests.load import Load

pytestmark = pytest.mark.live
log = logging.getLogger(__name__)
RESTARTS = int(os.environ.get("CONTAINER_RESTARTS", "1"))
IN_FULL = RESTARTS > 1


def nginx_start(stack: LiveStack) -> str:
    """When nginx was started."""
    identity = stack.compose("ps", "--quiet", "nginx").stdout.strip()
    return succeed(["docker", "inspect", "--format", "{{.State.StartedAt}}", identity], within=30).stdout


def restart(stack: LiveStack, number: int) -> None:
    """Restarts the container, or, each second time, replaces its workers."""
    if number % 2:
        stack.compose("kill", "--signal", "HUP", "registry")
    else:
        # In CI an upload is cut sooner than it would be.
        stack.compose("restart", *(() if IN_FULL else ("--timeout", "3")), "registry")


def test_requests_wait_for_a_registry_that_restarts(stack: LiveStack) -> None:
    """Pushes and pulls are answered well, only later; an upload that was cut goes on at the right offset."""
    seed = int(os.environ.get("FAULT_SEED", random.randrange(10**9)))
    before, pick = nginx_start(stack), random.Random(seed)
    load = Load("localhost", stack.settings.port, stack.certificate, lambda: (stack.user, stack.password))
    large = LargeUploads(
        stack.settings.port,
        ssl.create_default_context(cafile=str(stack.certificate)),
        megabytes=1024 if IN_FULL else 24,
        pace=80 if IN_FULL else 4,
        seed=seed,
        login=f"{stack.user}:{stack.password}",
    )
    with load.running(), large.running():
        for number in range(RESTARTS):
            load.is_served()
            load.goes_on(pick.uniform(0, 2))
            restart(stack, number)
        load.is_served()
    told = f"{RESTARTS} restarts, seed {seed}: {dict(load.done)}, longest {load.longest:.1f} s; {dict(large.done)}"
    failures = load.failures + large.failures
    # At once: a run that is ended for its time must have said so before.
    log.info("%s; failures: %s", told, failures)
    assert failures == [], told
    assert large.done["cut"]
    assert load.done["PUT"]
    assert nginx_start(stack) == before
