"""The images that the set-up of the engine makes sure of are those that a stack runs; needs no engine."""

from __future__ import annotations

import pytest

from stackgen.profiles import load_profiles
from tests.live.engine.images import load


@pytest.mark.parametrize("name", sorted({name for profile in load_profiles() for name in profile.images.values()}))
def test_catalogue(name: str) -> None:
    """An image that a profile names stands in tests/live/engine/images.toml, with a stand-in or without."""
    assert name in {image.name for image in load()}
