"""The registry service: OCI Distribution 1.1 over distribution's file system layout."""

__version__ = "0.1.0"
