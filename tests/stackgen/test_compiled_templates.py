"""Compiled templates are kept as Python keeps compiled modules: quick, never stale, never in the way."""

import os
import sys

import pytest
from jinja2 import DictLoader, Environment

from stackgen.compiled_templates import CompiledTemplates


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A folder of code that may keep what it compiled."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    (tmp_path / "rendering.py").touch()
    (tmp_path / "__pycache__").mkdir()
    return tmp_path


def rendered(package, text="Hello {{ name }}", *, closing="!"):
    """What a process of its own makes of a template, with a filter that the package's code defines."""
    environment = Environment(
        loader=DictLoader({"one": text}), bytecode_cache=CompiledTemplates(package), autoescape=True
    )
    environment.filters["close"] = lambda value: f"{value}{closing}"
    return environment.get_template("one").render(name="you")


def kept(package):
    """The files of the cache."""
    return sorted((package / "__pycache__").iterdir())


def test_a_template_is_compiled_once(package):
    """The second process finds what the first one kept, and says the same."""
    assert rendered(package) == "Hello you"
    before = [path.stat().st_mtime_ns for path in kept(package)]
    assert rendered(package) == "Hello you"
    assert [path.stat().st_mtime_ns for path in kept(package)] == before
    assert len(before) == 1


def test_a_changed_template_or_filter_is_compiled_anew(package):
    """A constant that went through a filter is part of what was compiled, so the filters' age counts too."""
    assert rendered(package, "{{ 'Hello' | close }}") == "Hello!"
    assert rendered(package, "{{ 'Goodbye' | close }}") == "Goodbye!"
    os.utime(package / "rendering.py", (1, 1))
    assert rendered(package, "{{ 'Goodbye' | close }}", closing="?") == "Goodbye?"


@pytest.mark.parametrize("content", [b"", b"j2", b"nonsense" * 40, None])
def test_what_is_broken_is_made_anew(package, content):
    """Cut anywhere, or something else altogether."""
    rendered(package)
    path = kept(package)[0]
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content is None else content)
    assert rendered(package) == "Hello you"
    assert path.read_bytes() == whole


def test_nothing_is_kept_where_python_keeps_nothing(package, monkeypatch):
    """No folder for compiled modules, or none wanted."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert rendered(package) == "Hello you"
    assert kept(package) == []
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    (package / "__pycache__").rmdir()
    assert rendered(package) == "Hello you"
    assert not (package / "__pycache__").exists()
