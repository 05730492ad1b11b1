"""The documentation can't lie: what is made from the code is current, and what the code has is in the pages."""

import re
import shlex
from pathlib import Path

import click
import pytest

from stackgen import errors
from stackgen.cli import COMMANDS, group
from stackgen.env_file import NAMES
from stackgen.folder import StackFolder
from stackgen.reference import pages

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = pages()


@pytest.mark.slow  # not before each landing: whoever adds a command and whoever changes another one would meet here
@pytest.mark.parametrize("name", PAGES)
def test_a_page_made_from_the_code_is_current(name):
    """Run scripts/docs and commit what it changes."""
    path = DOCS / name
    assert path.exists(), "run scripts/docs"
    assert path.read_text() == PAGES[name], "run scripts/docs"


def test_every_setting_is_explained():
    """In the reference page, with what to write."""
    text = (DOCS / "reference/settings.md").read_text()
    assert [name for name in NAMES if f"### {name}\n" not in text] == []


def test_every_command_has_an_example():
    """`stackgen COMMAND --help` shows how it is typed."""
    text = PAGES["reference/commands.md"]
    for command in COMMANDS:
        section = text.split(f"\n## stackgen {command}\n")[1].split("\n## ")[0]
        inner = [f"\n## stackgen {command} " in text]
        assert "Examples:" in section or any(inner), command


def test_every_exit_code_is_explained():
    """The table names each code of the tool."""
    text = (DOCS / "reference/exit-codes.md").read_text()
    for code in errors.ExitCode:
        assert f"| {code.value} |" in text


def test_every_file_of_a_stack_is_explained():
    """Each path that the folder module knows, but for the tool's own state."""
    text = (DOCS / "reference/files.md").read_text()
    folder = StackFolder(Path("/stack"))
    names = [name for name in dir(StackFolder) if isinstance(getattr(StackFolder, name), property)]
    for name in names:
        path = getattr(folder, name).relative_to(folder.root)
        assert path.parts[0] == ".stackgen" or f"`{path}" in text, name


@pytest.mark.parametrize("page", sorted(ROOT.glob("*.md")) + sorted(DOCS.rglob("*.md")), ids=str)
def test_links_between_pages_lead_somewhere(page):
    """Relative links name files that exist."""
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_the_readme_names_the_two_commands_that_do_everything():
    """From a clone: one runs the main job, one passes the tests, and CI calls that one."""
    text = (ROOT / "README.md").read_text()
    for script in ("scripts/quickstart", "scripts/test"):
        assert f"\n{script}\n" in text
        assert (ROOT / script).stat().st_mode & 0o111
    assert "scripts/test" in (ROOT / ".ci/run").read_text()


TYPED = [
    (page.relative_to(ROOT).as_posix(), match[1].strip())
    for page in (ROOT / "README.md", ROOT / "prometheus/rules/alerts.yml", *sorted(DOCS.rglob("*.md")))
    for match in re.finditer(
        r"(?:^|[`\"] ?|\$ |&& |: |; )(stackgen [a-z][^`\"\n|;#&.,]*)", page.read_text(), re.MULTILINE
    )
    if "[OPTIONS]" not in match[0]
]


@pytest.mark.parametrize(("page", "typed"), sorted(set(TYPED)))
def test_what_a_page_says_to_type_can_be_typed(page, typed):
    """Every command and option that a page, a runbook or an alert names is one that stackgen has."""
    context, words = click.Context(group), shlex.split(typed.replace("\\", ""))[1:]
    command = group
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        command = command.get_command(context, words.pop(0))
        assert command is not None, typed
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    asked = {word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)}
    assert asked <= known | {"--help", "-h"}, f"{typed}: there is no {asked - known}"


def test_pages_say_what_to_type():
    """Or the test above looks at nothing."""
    assert len(TYPED) > 50
    assert {page for page, _ in TYPED} >= {"README.md", "prometheus/rules/alerts.yml", "docs/doctor.md"}
