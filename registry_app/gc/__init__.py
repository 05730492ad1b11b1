"""Collection and scrub: what to remove is decided by pure functions, and removed by small ones, while pushes go on."""
