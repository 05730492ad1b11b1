"""Changing a stack's secrets while it runs: planned, journalled, carried out, reloaded, and undone if need be."""
