"""What is wrong with a stack and its host, and what to type: probes find facts, checks decide, each alone."""
