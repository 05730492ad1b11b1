"""`stackgen`, and `python -m stackgen`."""

from __future__ import annotations

from registry_app import interrupts

interrupts.leave_quietly()  # first: to load the rest takes longer than it takes to press Ctrl-C

from typing import TYPE_CHECKING  # noqa: E402

from registry_app.entry import guard  # noqa: E402
from stackgen.cli import main as command_line  # noqa: E402

if TYPE_CHECKING:
    from typing import NoReturn


def main() -> NoReturn:
    """Entry point of `stackgen`."""
    guard(command_line)


if __name__ == "__main__":
    main()
