"""Says which error a call is refused with."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from registry_app.errors import RegistryError


@contextmanager
def refused(code):
    """The block is refused with this code; gives the error."""
    with pytest.raises(RegistryError) as caught:
        yield caught
    assert caught.value.code is code
