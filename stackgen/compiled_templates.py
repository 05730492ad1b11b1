"""Templates as Jinja compiled them, kept beside Python's own compiled modules: compiling is a sixth of a render."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import sys
from importlib.util import cache_from_source
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
from jinja2 import BytecodeCache

if TYPE_CHECKING:
    from jinja2.bccache import Bucket

_PACKAGE = Path(__file__).parent


class CompiledTemplates(BytecodeCache):
    """Trusted exactly as the package's `__pycache__` is, where it lies, and as dispensable as that.

    `package` is the folder of the code that knows the templates' filters and options.
    """

    def __init__(self, package: Path = _PACKAGE) -> None:
        sources = (package / "rendering.py", Path(jinja2.__file__))
        self._folder = Path(cache_from_source(str(sources[0]))).parent
        self._stamp = "".join(f"\0{one.stat().st_mtime_ns}" for one in sources)

    def get_source_checksum(self, source: str) -> str:
        """A hash over a template and the age of the code that compiles it: filters and options are part of it."""
        return hashlib.sha256((source + self._stamp).encode()).hexdigest()

    def load_bytecode(self, bucket: Bucket) -> None:
        """Fills a bucket when what is there is whole and fits."""
        with contextlib.suppress(OSError, ValueError, EOFError, pickle.UnpicklingError):
            bucket.bytecode_from_string(self._place(bucket).read_bytes())

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keeps a template, where Python would keep a module: not in a folder that can't be written."""
        if sys.dont_write_bytecode:
            return
        place = self._place(bucket)
        draft = place.with_suffix(f".{os.getpid()}")
        with contextlib.suppress(OSError):
            draft.write_bytes(bucket.bytecode_to_string())
            draft.replace(place)

    def _place(self, bucket: Bucket) -> Path:
        return self._folder / f"{bucket.key}.template"
