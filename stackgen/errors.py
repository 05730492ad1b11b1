"""The one exception of the tool: what happened, and the way out."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


class ExitCode(IntEnum):
    """What `stackgen` tells the shell; `docs/reference/exit-codes.md` explains each."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    BUG = 3


CHANGES_PENDING = ExitCode.USAGE
"""`plan` says 2 when `render` would change something, as diff-like tools do."""


class StackgenError(Exception):
    """A request that can't be done. `hint` is the remedy: what to type or to edit next.

    The command line prints both and leaves with `exit_code`; nothing else catches it.
    """

    def __init__(self, message: str, *, hint: str = "", exit_code: int = ExitCode.REFUSED) -> None:
        self.message = message
        self.hint = hint
        self.exit_code = exit_code
        super().__init__(message)


class Problem(Protocol):
    """Something that is wrong, and what to do about it."""

    @property
    def text(self) -> str:
        """Where, and what."""

    @property
    def remedy(self) -> str:
        """What to type or to change."""


def refusal(problems: Sequence[Problem]) -> StackgenError:
    """The error that names each problem and its remedy."""
    if len(problems) == 1:
        return StackgenError(problems[0].text, hint=problems[0].remedy)
    lines = [line for one in problems for line in (f"  {one.text}", f"    -> {one.remedy}")]
    return StackgenError("\n".join(["the stack can't be used as it is:", *lines]))
