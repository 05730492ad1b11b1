"""`stackgen`, and `python -m stackgen`."""

from __future__ import annotations

from registry_app import interrupts

interrupts.leave_quietly()  # first: to load the rest takes longer than it takes to press Ctrl-C

import atexit  # noqa: E402
import gc  # noqa: E402

# A command makes hardly any garbage, and its memory goes as a whole: to look for some while all is loaded, and again at
# the end, was a fifth of a render's time.
gc.set_threshold(100_000)
atexit.register(gc.freeze)

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
