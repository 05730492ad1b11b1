"""Imports point one way: oci <- storage <- http, gc, web; oci <- auth <- http; app.py knows all."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SERVICE = ROOT / "registry_app"
FREE_FOR_ALL = ("registry_app.errors", "registry_app.byte_locks")
MAY_IMPORT = {
    "oci": {"oci"},
    "storage": {"storage", "oci"},
    "auth": {"auth", "oci"},
    "gc": {"gc", "storage", "oci", "metrics"},
    "web": {"web", "storage", "oci", "auth"},
}
NO_FALCON = {"oci", "storage", "auth", "gc"}


def imported_modules(path: Path) -> set[str]:
    """Absolute names of everything that a Python file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names if node.module == "registry_app"}
    return names


@pytest.mark.parametrize("folder", sorted(MAY_IMPORT))
def test_a_folder_of_the_service_imports_only_what_lies_below_it(folder):
    """Oci knows nobody; storage and auth know oci; gc and web know storage."""
    for path in (SERVICE / folder).rglob("*.py"):
        own = {n for n in imported_modules(path) if n.startswith("registry_app.")}
        parts = {name.split(".")[1] for name in own if not name.startswith(FREE_FOR_ALL)}
        assert parts <= MAY_IMPORT[folder], f"{path.relative_to(ROOT)} imports {sorted(parts - MAY_IMPORT[folder])}"


@pytest.mark.parametrize("folder", sorted(NO_FALCON))
def test_only_the_outer_folders_know_falcon(folder):
    """The protocol's core can be used and tested without a web framework."""
    for path in (SERVICE / folder).rglob("*.py"):
        assert not any(name.split(".")[0] == "falcon" for name in imported_modules(path)), path.relative_to(ROOT)


def test_the_service_does_not_know_the_tool():
    """registry_app runs in an image that holds nothing of the command-line tool."""
    for path in SERVICE.rglob("*.py"):
        names = {n for n in imported_modules(path) if n.split(".")[0] == "stackgen"}
        assert not names, f"{path.relative_to(ROOT)} imports {sorted(names)}"


def test_names_that_mean_nothing_are_absent():
    """No grab-bag modules in product code."""
    banned = {"utils.py", "util.py", "helpers.py", "common.py", "misc.py", "manager.py"}
    found = [p for top in ("stackgen", "registry_app") for p in (ROOT / top).rglob("*.py") if p.name in banned]
    assert not found
