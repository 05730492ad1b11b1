"""`config.yml` of registry:2 and registry:3, the `REGISTRY_*` overrides, and our own keys below `stackgen:`."""

from __future__ import annotations

from registry_app.configuration.loading import ConfigurationError, find_configuration, load_settings, parse_settings

__all__ = ["ConfigurationError", "find_configuration", "load_settings", "parse_settings"]
