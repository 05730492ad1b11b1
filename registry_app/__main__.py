"""`registry`, and `python -m registry_app`."""

from __future__ import annotations

from registry_app.cli import main

if __name__ == "__main__":
    main()
