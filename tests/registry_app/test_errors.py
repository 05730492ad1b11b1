"""The table of errors."""

from __future__ import annotations

import pytest

from registry_app.errors import ErrorCode, RegistryError


@pytest.mark.parametrize("code", list(ErrorCode), ids=lambda code: code.name)
def test_every_code_has_an_http_error_status_and_a_message(code):
    """Each wire code is a client or server error with words for people."""
    assert 400 <= code.status < 600
    assert code.message


def test_an_error_carries_its_own_message_and_detail():
    """What the raiser knows reaches the client beside the code."""
    error = RegistryError(ErrorCode.BLOB_UNKNOWN, digest="sha256:00")
    assert error.detail == {"digest": "sha256:00"}
    assert str(error) == "BLOB_UNKNOWN: blob unknown to registry"
