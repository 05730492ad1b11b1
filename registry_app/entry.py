"""How a command of ours begins and ends: Ctrl-C at any moment, output that nobody takes, standard streams."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import TYPE_CHECKING, NoReturn

from registry_app.interrupts import INTERRUPTED, leave_quietly, raise_again
from registry_app.plain_text import plain_message

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import click

FAILED, READER_GONE = 1, 141
"""Exit codes; the second is as a shell tells of SIGPIPE."""


def guard(command: Callable[[], object]) -> NoReturn:
    """Runs a command, in which Ctrl-C is KeyboardInterrupt, and leaves with its exit code."""
    _prepare_streams()
    try:
        raise_again()
        command()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else FAILED
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:
        code = READER_GONE
    except OSError:  # not even the message about it could be written
        code = FAILED
    leave_quietly()
    raise SystemExit(_flushed(code))


def finish(
    group: click.Group, arguments: Sequence[str] | None, *, name: str, report: Callable[[Exception], int]
) -> int:
    """Calls a command of a group; its exit code. `report` prints every error but the usual ends."""
    import click  # noqa: PLC0415  (what stands before it must be there at once)

    try:
        result = _call(group, list(sys.argv[1:] if arguments is None else arguments), name)
    except click.exceptions.Exit as end:
        return end.exit_code
    except (click.Abort, KeyboardInterrupt, EOFError):
        # At a prompt the cursor stands behind the question.
        click.echo("\nstopped" if sys.stderr is not None and sys.stderr.isatty() else "stopped", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        return READER_GONE
    except Exception as error:  # noqa: BLE001  (what is left is the caller's to judge)
        return report(error)
    return result if isinstance(result, int) else 0


def _call(group: click.Group, arguments: list[str], name: str) -> object:
    """What a command gives back. Not by the group's own main(), which calls a reader that went away an error."""
    if f"_{name.upper()}_COMPLETE" in os.environ:
        return group.main(arguments, prog_name=name, standalone_mode=False)
    with group.make_context(name, arguments) as context:
        return group.invoke(context)


def show_usage(wrong: click.ClickException) -> int:
    """Prints what is wrong with a command line as click does, without what a terminal would obey; its exit code."""
    import click  # noqa: PLC0415

    shown = io.StringIO()
    wrong.show(file=shown)
    click.echo(plain_message(shown.getvalue()), err=True, nl=False)
    return wrong.exit_code


def _prepare_streams() -> None:
    """Standard streams that take all that is printed, whatever the caller made of them."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            # Closed: else the next file that is opened would get what is printed. The lowest free number is this one.
            os.open(os.devnull, os.O_RDWR)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal of ASCII alone gets an arrow as \u2192


def _flushed(code: int) -> int:
    """The exit code after what is still to be written has been: another one where that fails."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError as error:
            code = code or (READER_GONE if isinstance(error, BrokenPipeError) else _say_lost(error))
            # Or Python tries once more at its very end, and complains.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return code


def _say_lost(error: OSError) -> int:
    with contextlib.suppress(OSError):
        os.write(2, f"error: the output can't be written: {error.strerror}\n".encode())
    return FAILED
