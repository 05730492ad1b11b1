"""The command line in this process, and copies of one stack: these tests run dozens of commands."""

from __future__ import annotations

import io
import os
import shutil
import sys
from types import SimpleNamespace

import pytest

from stackgen.cli import main
from stackgen.folder import StackFolder
from stackgen.founding import compose_env, make_stack


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """A stack for registry.example.com."""
    root = tmp_path_factory.mktemp("template") / "mystack"
    make_stack(
        root, compose_env({"SERVICE_DOMAIN": "registry.example.com", "SECRETS_GID": str(os.getgid()), "TLS": "local"})
    )
    return root


@pytest.fixture
def folder(template, tmp_path):
    """A copy of the stack of one's own."""
    shutil.copytree(template, tmp_path / "mystack", symlinks=True)
    return StackFolder(tmp_path / "mystack")


@pytest.fixture
def stackgen(tmp_path, monkeypatch, capsys):
    """Runs `stackgen` through its entry point, errors and exit code included, in tmp_path."""

    def run(*arguments, code=0, text=None):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["stackgen", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((text or "").encode())))
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        assert ended.value.code == code, told
        return SimpleNamespace(stdout=told.out, stderr=told.err)

    return run
