"""A store of its own for every test."""

from __future__ import annotations

import pytest

from registry_app.storage import open_storage


class Clock:
    """A clock that goes only when it is told to."""

    def __init__(self):
        self.now = 1_800_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    """A clock in the test's hand."""
    return Clock()


@pytest.fixture
def storage(tmp_path, clock):
    """An empty store."""
    return open_storage(tmp_path / "data", clock=clock)
