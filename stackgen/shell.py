"""Commands as people paste them: the one place that quotes what is printed to be typed."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from registry_app.plain_text import quoted
from stackgen.errors import StackgenError

if TYPE_CHECKING:
    from stackgen.folder import StackFolder


def shell_line(*words: str | Path) -> str:
    """One command; each word comes out of a shell as it went in, and no path is taken for an option."""
    return " ".join(shlex.quote(_path(word) if isinstance(word, Path) else word) for word in words)


def stackgen_line(folder: StackFolder, *words: str | Path) -> str:
    """A command of stackgen's for this stack, to be typed where the present one was."""
    where = () if folder.root == Path() else (folder.root,)
    return shell_line("stackgen", *words, *where)


def compose_line(folder: StackFolder, *words: str) -> str:
    """A command of Compose's for this stack, from wherever one is."""
    line = shell_line("docker", "compose", *words)
    return line if folder.root == Path() else f"{shell_line('cd', folder.root)} && {line}"


def way_to_stackgen() -> str | None:
    """The line after which a shell finds the `stackgen` that runs now; None where it does already, or never could."""
    own = Path(sys.argv[0])
    # `python -m stackgen` has the command beside its interpreter.
    own = own.absolute() if own.name == "stackgen" else Path(sys.executable).with_name("stackgen")
    found = shutil.which("stackgen")
    if not own.is_file() or (found is not None and own.samefile(found)):
        return None
    return f'export PATH={shlex.quote(str(own.parent))}:"$PATH"'


def printable(path: Path) -> Path:
    """The path; StackgenError for one that no line that is printed, and no line of a file, could hold."""
    if str(path).isprintable():
        return path
    raise StackgenError(
        f"{quoted(str(path))} holds a line break or another character that can't be printed",
        hint="choose a folder whose name can be typed",
    )


def _path(path: Path) -> str:
    text = str(path)
    return f"./{text}" if text.startswith("-") else text
