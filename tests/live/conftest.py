"""A real Docker Engine, and stacks that `stackgen init` wrote, for the tests of this folder."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.live.stack import LiveStack, running_stack

_CHECKOUT = Path(__file__).parents[2]
_ENGINE_PATIENCE = 900  # seconds for a set-up from nothing on a slow day
_WORTH_TELLING = re.compile(r"Docker Engine|Compose|cannot be had")

StackMaker = Callable[..., LiveStack]


_REPORT = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def engine(pytestconfig: pytest.Config) -> None:
    """A Docker Engine with Compose that answers; in CI a must, elsewhere the tests that need it are skipped."""
    done = subprocess.run(
        [_CHECKOUT / "scripts" / "engine"], capture_output=True, text=True, timeout=_ENGINE_PATIENCE, check=False
    )
    if done.returncode == 0:
        pytestconfig.stash[_REPORT] = [line for line in done.stdout.splitlines() if _WORTH_TELLING.search(line)]
        return
    reason = f"no Docker Engine to test on: {done.stderr.strip()}"
    pytestconfig.stash[_REPORT] = [reason]
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}\n{done.stdout}")
    pytest.skip(reason)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say at the end which engine it was, and what could not be had for it."""
    if report := config.stash.get(_REPORT, []):
        terminalreporter.section("live tests")
        for line in report:
            terminalreporter.line(line)


@pytest.fixture(scope="session")
def stack(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveStack]:
    """The stack that `stackgen init` gives without a word from the user: nginx with TLS on localhost."""
    # The folder's name is the Compose project's: other tests must not have one called the same.
    with running_stack(tmp_path_factory.mktemp("live") / "live-stack") as started:
        yield started
    # Its layers stay in the build cache; another stack that runs it keeps it.
    started.try_docker("image", "rm", started.registry_image)


@pytest.fixture
def make_stack(stack: LiveStack, tmp_path: Path) -> Iterator[StackMaker]:
    """Starts further stacks, whose image the first one built; they are gone after the test."""
    with ExitStack() as cleanup:

        def make(name: str, **settings: str) -> LiveStack:
            started = running_stack(tmp_path / f"live-{name}", **settings)
            return cleanup.enter_context(started)

        yield make
