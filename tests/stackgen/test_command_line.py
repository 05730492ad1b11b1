"""The command line starts fast because it imports a command's code when that command is called."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from stackgen.cli import group
from stackgen.reference import commands_page

HEAVY = ("pydantic", "jinja2", "yaml", "cryptography", "bcrypt", "falcon", "gunicorn", "prometheus_client")


def modules_of(*arguments):
    """Top-level modules that a command has imported when it ends."""
    code = (
        "import sys\nfrom stackgen.cli import main\n"
        f"try: main({list(arguments)!r})\n"
        "except SystemExit: pass\n"
        "print('MODULES', *{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.rsplit("MODULES", 1)[1].split())


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("nonsense",)])
def test_help_imports_nothing_heavy(arguments):
    """Click alone: within 2.5 times of `python -c "import click"`."""
    assert modules_of(*arguments) & set(HEAVY) == set()


def test_a_plan_imports_nothing_of_the_server():
    """Rendering stays within half a second of CPU."""
    assert modules_of("plan", "/nowhere") & {"falcon", "gunicorn", "prometheus_client"} == set()


def test_every_command_loads_and_explains_itself(stackgen):
    """The table of commands names modules that exist."""
    from stackgen.cli import COMMANDS

    for name, (_, summary) in COMMANDS.items():
        assert stackgen(name, "--help").stdout.startswith(f"Usage: stackgen {name}")
        assert summary.endswith(".")


def test_the_first_steps_of_help_can_be_pasted_from_80_columns():
    """They stand on one line."""
    told = CliRunner().invoke(group, ["--help"], terminal_width=80).output
    assert " stackgen init mystack && cd mystack && docker compose up -d --wait\n" in told


def test_the_page_of_commands_shows_the_help_that_is_printed():
    """Both names of the option."""
    assert "-h, --help" in commands_page()
