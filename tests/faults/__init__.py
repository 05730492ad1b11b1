"""Fault runs: the service is killed, starved and lied to while it works, and must not lose what it acknowledged."""
