"""Commands as people paste them: the one place that quotes what is printed to be typed."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stackgen.folder import StackFolder


def shell_line(*words: str | Path) -> str:
    """One command; each word comes out of a shell as it went in, and no path is taken for an option."""
    return " ".join(shlex.quote(_path(word) if isinstance(word, Path) else word) for word in words)


def stackgen_line(folder: StackFolder, *words: str | Path) -> str:
    """A command of stackgen's for this stack, to be typed where the present one was."""
    where = () if folder.root == Path() else (folder.root,)
    return shell_line("stackgen", *words, *where)


def _path(path: Path) -> str:
    text = str(path)
    return f"./{text}" if text.startswith("-") else text
