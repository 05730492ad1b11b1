"""What the tool's tests share: the command line, and a stack that it made."""

import contextlib
import io
import subprocess
from types import SimpleNamespace

import pytest

from stackgen.cli import main
from stackgen.folder import StackFolder
from tests.stackgen.peer import running, self_signed


@pytest.fixture
def stackgen(tmp_path):
    """Runs `stackgen` in tmp_path; what it printed. A bug or another exit code than expected fails the test."""

    def run(*arguments, code=0):
        out, err = io.StringIO(), io.StringIO()
        redirected = contextlib.redirect_stdout(out), contextlib.redirect_stderr(err)
        with contextlib.chdir(tmp_path), redirected[0], redirected[1], pytest.raises(SystemExit) as done:
            main([str(argument) for argument in arguments])
        result = SimpleNamespace(stdout=out.getvalue(), stderr=err.getvalue())
        assert (done.value.code or 0) == code, result.stdout + result.stderr
        return result

    return run


@pytest.fixture
def folder(stackgen, tmp_path):
    """A stack for registry.example.com, as `init --yes` makes it."""
    stackgen("init", "mystack", "--domain", "registry.example.com", "--yes")
    return StackFolder(tmp_path / "mystack")


@pytest.fixture
def openssl(tmp_path):
    """Runs openssl in tmp_path."""
    return lambda *arguments: subprocess.run(["openssl", *arguments], cwd=tmp_path, check=True, capture_output=True)


@pytest.fixture(scope="session")
def plain_registry(tmp_path_factory):
    """Debian's docker-registry on loopback, without TLS."""
    with running(tmp_path_factory.mktemp("plain"), tls=None) as registry:
        yield registry


@pytest.fixture(scope="session")
def tls_registry(tmp_path_factory):
    """Debian's docker-registry with TLS, and a CA that nobody trusts by default."""
    folder = tmp_path_factory.mktemp("tls")
    with running(folder, tls=self_signed(folder)) as registry:
        yield registry


@pytest.fixture(params=["plain", "tls"])
def registry(request):
    """Each of them in turn."""
    return request.getfixturevalue(f"{request.param}_registry")
