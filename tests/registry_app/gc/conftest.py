"""A store of its own for every test."""

from __future__ import annotations

from tests.registry_app.storage.conftest import clock, storage

__all__ = ["clock", "storage"]
