"""Publishing a stack as an OCI compose artifact, and checking one that somebody published."""
