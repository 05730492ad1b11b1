"""`stackgen`, and `python -m stackgen`."""

from __future__ import annotations

from stackgen.cli import main

if __name__ == "__main__":
    main()
