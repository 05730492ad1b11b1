"""What is measured against peers, on one machine, in one run. `python -m bench --help` or scripts/bench."""
