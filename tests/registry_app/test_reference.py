"""The reference pages say what the code does."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry_app.reference import PAGES

FOLDER = Path(__file__).parents[2] / "docs/reference"


@pytest.mark.parametrize("name", PAGES)
def test_a_reference_page_is_what_the_code_would_write(name):
    """`python -m registry_app.reference docs/reference` makes them anew."""
    assert (FOLDER / name).read_text(encoding="utf-8") == PAGES[name]()
