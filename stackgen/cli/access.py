"""`stackgen access`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from registry_app.administration import recorded
from registry_app.auth.access_file import DEFAULT_ACCESS, parse_access_file
from registry_app.auth.identity import ANONYMOUS, Action, Identity
from registry_app.auth.policy import EVERY_USER, GRANTABLE, decide
from registry_app.auth.user_names import ANYBODY
from registry_app.auth.watched import FileRefusedError
from registry_app.errors import RegistryError
from registry_app.oci.names import Repository
from registry_app.regular_files import read_named
from stackgen.cli.names import require_name
from stackgen.cli.options import examples, stack_argument
from stackgen.cli.terminal import say, warn
from stackgen.env_file import load_settings
from stackgen.errors import ExitCode, StackgenError, refusal
from stackgen.losses import find_loss
from stackgen.rotation.secrets import load_users
from stackgen.secret_files import SHARED, put_file
from stackgen.shell import stackgen_line
from stackgen.writing import exclusive

if TYPE_CHECKING:
    from registry_app.auth.policy import Rule, Rules
    from stackgen.folder import StackFolder


@click.group(
    epilog=examples(
        "stackgen access check alice push team/app",
        "stackgen access validate",
        "stackgen access list",
    )
)
def command() -> None:
    """What users may do: the rules of secrets/access.yaml.

    Edit that file with any editor; the registry takes it up within two seconds, and keeps the last good rules when
    there is a mistake in it.
    """


@command.command(
    "check",
    epilog=examples("stackgen access check alice push team/app", "stackgen access check anonymous pull public/app"),
)
@click.argument("user")
@click.argument("action", type=click.Choice(sorted(action.value for action in GRANTABLE)))
@click.argument("repository")
@stack_argument
def check(folder: StackFolder, user: str, action: str, repository: str) -> int:
    """Explain whether USER (or `anonymous`) may do ACTION in REPOSITORY; exit code 1 if not."""
    rules, known = _load_rules(folder), load_users(folder).hashes
    try:
        Repository.parse(repository)
    except RegistryError:
        raise StackgenError(
            f"{repository!r} can't be a repository's name", hint="parts of a-z 0-9 . _ - with slashes between, no tag"
        ) from None
    require_name(user)
    identity = ANONYMOUS if user == ANYBODY else Identity(user)
    if user == ANYBODY and user in known:
        warn(f"this is about callers who do not log in, not about the user {user!r}")
    elif user != ANYBODY and user not in known:
        add = stackgen_line(folder, "users", "add", user)
        warn(f"there is no user {user!r} yet, so nobody can log in as one: {add}")
    decision = decide(rules, identity, Action(action), repository)
    say(f"{'allowed' if decision.allowed else 'denied'}: {decision.reason}")
    return ExitCode.OK if decision.allowed else ExitCode.REFUSED


@command.command("validate", epilog=examples("stackgen access validate"))
@stack_argument
def validate(folder: StackFolder) -> None:
    """Check the access file and report every mistake with its line."""
    rules = _load_rules(folder)
    named = {user for rule in rules.rules for user in rule.users} | {u for m in rules.groups.values() for u in m}
    for user in sorted(named - set(load_users(folder).hashes) - {EVERY_USER}):
        warn(f"the rules name {user!r}, who is no user")
    say(f"{folder.access}: {len(rules.rules)} rules, {len(rules.groups)} groups, no mistake")


@command.command("list", epilog=examples("stackgen access list", "stackgen access list --json"))
@stack_argument
@click.option("--json", "as_json", is_flag=True, help="The rules as JSON.")
def list_(folder: StackFolder, *, as_json: bool) -> None:
    """List the rules in force."""
    rules = _load_rules(folder)
    if as_json:
        say(json.dumps([_row(rule) for rule in rules.rules], indent=2))
        return
    for rule in rules.rules:
        row = _row(rule)
        who = [*row["users"], *(f"@{group}" for group in row["groups"]), *([ANYBODY] if rule.anonymous else [])]
        say(f"{', '.join(who):32} {', '.join(row['actions']):28} {', '.join(row['repositories'])}")
    for group, members in sorted(rules.groups.items()):
        say(f"@{group} = {', '.join(sorted(members)) or 'nobody'}")


@command.command("reset", epilog=examples("stackgen access reset"))
@stack_argument
@click.confirmation_option("--yes", prompt="Let every user do everything?", help="Do not ask.")
def reset(folder: StackFolder) -> None:
    """Begin anew: every user may do everything. The file as it was is kept as access.yaml.old."""
    gid = load_settings(folder).secrets_gid
    with exclusive(folder), recorded(folder.audit_log, "access-reset", subject=folder.access.name):
        # The second of two resets must not put what the first one made in the place of the rules that were kept.
        if folder.access.exists() and (old := folder.access.read_bytes()) != DEFAULT_ACCESS:
            put_file(folder.access.with_name(f"{folder.access.name}.old"), old, mode=SHARED, gid=gid)
        put_file(folder.access, DEFAULT_ACCESS, mode=SHARED, gid=gid)
    say(f"{folder.access}: every user may do everything")


def _load_rules(folder: StackFolder) -> Rules:
    if (loss := find_loss(folder, folder.access)) is not None:
        if not loss.is_broken:
            raise refusal((loss,))
        raise StackgenError(
            loss.text.replace("; line", "\n  line"), hint=f"the registry keeps the last good rules; {loss.remedy}"
        )
    try:
        return parse_access_file(read_named(folder.access))
    except FileNotFoundError:
        raise StackgenError(
            f"{folder.access} is missing", hint=f"make it: {stackgen_line(folder, 'access', 'reset')}"
        ) from None
    except OSError as error:
        raise StackgenError(f"{folder.access} can't be read: {error.strerror}", hint="ls -l secrets") from None
    except FileRefusedError as error:
        raise StackgenError(
            f"{folder.access}: " + str(error).replace("; line", "\n  line"),
            hint="the registry keeps the last good rules until this is mended",
        ) from None


def _row(rule: Rule) -> dict[str, list[str]]:
    return {
        "users": sorted(rule.users),
        "groups": sorted(rule.groups),
        "actions": sorted(action.value for action in rule.actions),
        "repositories": list(rule.repositories),
    }
