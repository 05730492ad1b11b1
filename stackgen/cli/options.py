"""Arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from stackgen.cli.terminal import fold
from stackgen.errors import StackgenError
from stackgen.folder import ENV, StackFolder
from stackgen.shell import printable, shell_line
from stackgen.values import parse_duration


class StackFolderType(click.ParamType[StackFolder]):
    """A folder that `init` made, as StackFolder."""

    name = "folder"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> StackFolder:
        """The folder; StackgenError when it holds no stack."""
        if isinstance(value, StackFolder):
            return value
        _refuse_unset(value, param, ctx, self)
        folder = StackFolder(printable(Path(str(value))))
        if folder.env.is_symlink() and not folder.env.exists():
            raise StackgenError(
                f"{folder.env} is a link to {folder.env.readlink()}, which can't be followed",
                hint=f"bring back what it leads to; see: {shell_line('ls', '-l', folder.env)}",
            )
        if _is_missing(folder.env):
            make = shell_line("stackgen", "init", Path("mystack") if folder.root == Path() else folder.root)
            raise StackgenError(
                f"there is no stack in {folder.root.absolute()}: no {ENV}",
                hint=f"make one: {make}; or name the stack's folder",
            )
        return folder

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        """Folders."""
        return [CompletionItem(incomplete, type="dir")]


class NewFolder(click.ParamType[Path]):
    """A folder that need not be there yet."""

    name = "folder"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path; a usage error for an empty one."""
        _refuse_unset(value, param, ctx, self)
        return Path(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        """Folders, as the shell completes them."""
        return [CompletionItem(incomplete, type="dir")]


def _is_missing(file: Path) -> bool:
    """Whether it is known not to be there; who reads what may not be looked at is told so then."""
    try:
        file.stat()
    except PermissionError:
        return False
    except OSError:
        return True
    return False


def _refuse_unset(
    value: Any, param: click.Parameter | None, ctx: click.Context | None, kind: click.ParamType[Any]
) -> None:
    """A script's unset variable must not mean the folder where it happens to run."""
    if not str(value).strip():
        kind.fail("the name of the folder is empty; the present one is .", param, ctx)


LONGEST_DAYS = 3650
"""Nothing here is meant to last longer, and dates end in the year 9999."""


class DurationType(click.ParamType[int]):
    """A time such as 90s, 30m, 1h30m or 7d, as seconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The seconds."""
        if isinstance(value, int):
            return value
        try:
            seconds = parse_duration(str(value))
        except ValueError:
            self.fail(f"{value!r} is no time: write 90s, 30m, 1h30m or 7d", param, ctx)
        if seconds > LONGEST_DAYS * 86_400:
            self.fail(f"{value!r} is too long: at most {LONGEST_DAYS}d, ten years", param, ctx)
        return seconds


_EXAMPLES = 78
"""Columns: those of a terminal, without the two by which click indents."""
DURATION = DurationType()
stack_argument = click.argument("folder", metavar="[DIR]", default=".", type=StackFolderType())


def examples(*lines: str) -> str:
    """The end of a command's help; a command that is longer than a terminal's line is folded as a shell reads it."""
    folded = [part for line in lines for part in fold(f"  {line}", columns=_EXAMPLES)]
    return "\b\nExamples:\n" + "\n".join(folded)
