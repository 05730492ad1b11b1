"""Names, digests, ranges and manifests of the OCI specifications: pure, no I/O, no web framework."""
