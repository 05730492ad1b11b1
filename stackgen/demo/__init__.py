"""A first look that proves itself: a small image goes into a stack's registry and comes back, every digest checked."""
