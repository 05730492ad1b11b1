"""The registry service: OCI Distribution 1.1 over distribution's file system layout."""
