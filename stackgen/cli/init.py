"""`stackgen init`."""

from __future__ import annotations

import datetime as dt
import pathlib
import sys
from typing import TYPE_CHECKING

import click

from stackgen import founding
from stackgen.certificates import judge, read_own
from stackgen.cli import next_steps
from stackgen.cli.answers import Answer, gather_answers
from stackgen.cli.options import NewFolder, examples
from stackgen.cli.proposal import propose_settings
from stackgen.cli.terminal import sentence, tell_worries, warn
from stackgen.env_file import read_env
from stackgen.errors import StackgenError
from stackgen.folder import StackFolder
from stackgen.projects import refuse_claimed
from stackgen.shell import shell_line, stackgen_line
from stackgen.writing import exclusive

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from stackgen.settings import StackSettings

PEM_FILE = click.Path(path_type=pathlib.Path)


@click.command(
    epilog=examples(
        "stackgen init mystack",
        "stackgen init mystack --domain registry.example.com --yes",
        "stackgen init mystack --domain registry.example.com --cert fullchain.pem --key privkey.pem",
        "stackgen init mystack --proxy none --storage-dir /srv/registry",
        "stackgen init mystack --set BUILD_EXTRA_CA=/etc/ssl/certs/ca-certificates.crt",
    )
)
@click.argument("directory", metavar="DIR", type=NewFolder())
@click.option("--domain", metavar="HOST", help="Host name or address of the registry.  [default: localhost]")
@click.option("--https-port", type=click.IntRange(1, 65535), help="Port for TLS; a busy one is refused.")
@click.option("--http-port", type=click.IntRange(0, 65535), help="Port that leads to HTTPS; 0 for none.")
@click.option("--tls", type=click.Choice(["local", "own"]), help="A certificate of the stack's own CA, or yours.")
@click.option("--cert", type=PEM_FILE, metavar="FILE", help="Your own certificate with its chain.")
@click.option("--key", type=PEM_FILE, metavar="FILE", help="The key of --cert.")
@click.option("--proxy", type=click.Choice(["nginx", "none"]), help="What terminates TLS.")
@click.option(
    "--storage-dir",
    metavar="PATH",
    help="Folder for the images instead of a volume: an absolute path, or ./NAME inside DIR.",
)
@click.option("--admin-user", metavar="NAME", help="The first user.  [default: admin]")
@click.option("--project-name", metavar="NAME", help="Compose project.  [default: from DIR]")
@click.option("--profile", "profiles", multiple=True, metavar="NAME", help="Run this profile too; repeatable.")
@click.option("--set", "others", multiple=True, metavar="NAME=VALUE", help="Any other setting; repeatable.")
@click.option("--yes", is_flag=True, help="Ask nothing.")
def command(
    directory: Path, *, others: tuple[str, ...], yes: bool, cert: Path | None, key: Path | None, **options: object
) -> None:
    """Make a stack: settings, secrets, certificate and compose.yaml.

    Without options the registry is for this machine alone: localhost, a free port, a certificate of its own CA.
    """
    if (cert is None) != (key is None):
        raise click.UsageError("--cert and --key go together")
    answers = gather_answers(options, others)
    if cert and answers.setdefault("TLS", Answer("own", "--cert")).value == "local":
        raise click.UsageError(f"--cert and --key are for TLS of your own, and {answers['TLS'].typed} says local")
    folder = StackFolder(directory)
    founding.check_name(directory)
    _refuse_stack(folder)
    founding.check_target(directory)
    if folder.env.exists():
        _refuse_answers(folder, answers)
        env, typed, notes = read_env(folder), None, []
    else:
        if not yes and sys.stdin.isatty() and "SERVICE_DOMAIN" not in answers:
            asked = click.prompt("Host name of the registry", default="localhost")
            answers["SERVICE_DOMAIN"] = Answer(asked, "Host name of the registry:")
        typed = {name: answer.typed for name, answer in answers.items()}
        proposal = propose_settings(directory, answers)
        env, notes = founding.compose_env(proposal.settings), list(proposal.notes)
    settings = founding.check_env(env, directory, typed=typed)
    if "COMPOSE_PROJECT_NAME" in answers or folder.env.exists():
        notes += _about_claim(directory, settings.compose_project_name, answers.get("COMPOSE_PROJECT_NAME"))
    own = read_own(cert, key, settings.host) if cert and key else None
    founding.make_stack(directory, env, own=own)
    # Only now: of a stack that could not be made they would be untrue.
    for note in notes:
        warn(note)
    tell_worries(judge(folder, settings, dt.datetime.now(dt.UTC)).worries)
    _tell_next(folder, settings)


def _tell_next(folder: StackFolder, settings: StackSettings) -> None:
    """How it goes on; StackgenError where that can't be said."""
    try:
        sentence(f"Stack made in {folder.root}/ for {settings.external_url}")
        next_steps.tell(folder, settings)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise StackgenError(
            f"the stack in {folder.root} is made, but the output can't be written: {error.strerror}",
            hint=f"see what to do next: {stackgen_line(folder, 'next')}",
        ) from None


def _refuse_stack(folder: StackFolder) -> None:
    """StackgenError where a stack is already; what an interrupted command left of it is finished first."""
    if folder.journal.is_file():
        with exclusive(folder):
            warn("an interrupted command was finished first")
    if folder.is_stack():
        raise StackgenError(
            f"{folder.root} is a stack already, and stays as it is",
            hint=f"edit {shell_line(folder.env)}, then: {stackgen_line(folder, 'render')}",
        )


def _refuse_answers(folder: StackFolder, answers: Mapping[str, Answer]) -> None:
    if answers:
        raise StackgenError(
            f"{folder.env} is there already and says what this stack is",
            hint="put the settings into that file, or remove it, and run init without options",
        )


def _about_claim(directory: Path, project: str, answer: Answer | None) -> list[str]:
    """What is to be said when a stack of this project is here already; StackgenError when it is another folder's."""
    remedy = f"choose another name: {answer.instead('NAME') if answer else 'COMPOSE_PROJECT_NAME=NAME'}"
    claim = refuse_claimed(project, directory, remedy=remedy)
    return [f"this stack goes on with what is there of the Compose project {project!r}: {claim.text}"] if claim else []
