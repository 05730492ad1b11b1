"""The decision: may this caller do this to that repository? Pure; whoever proves identities comes before it.

Rules only allow. What no rule allows is denied, so their order never matters.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from registry_app.auth.globs import matches
from registry_app.auth.identity import Action, Identity

if TYPE_CHECKING:
    from collections.abc import Mapping

EVERY_USER = "*"


@dataclass(frozen=True, slots=True)
class Rule:
    """Grants `actions` on repositories that match one of the globs to the named users and groups, or to anyone."""

    actions: frozenset[Action]
    repositories: tuple[str, ...]
    users: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    anonymous: bool = False
    place: str = "the built-in rule"

    def covers(self, repository: str) -> bool:
        """Whether one of the globs matches the whole name."""
        return any(matches(glob, repository) for glob in self.repositories)


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules in force, and who belongs to which group."""

    rules: tuple[Rule, ...] = ()
    groups: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def applying_to(self, identity: Identity) -> tuple[Rule, ...]:
        """The rules that name this caller, a group of theirs, every user, or anyone at all."""
        name = identity.name
        if name is None:
            return tuple(rule for rule in self.rules if rule.anonymous)
        groups = identity.groups | {group for group, members in self.groups.items() if name in members}
        return tuple(
            rule
            for rule in self.rules
            if rule.anonymous or name in rule.users or EVERY_USER in rule.users or rule.groups & groups
        )


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer and, for people who maintain the rules, why. The reason is never shown to a caller."""

    allowed: bool
    reason: str


NOBODY = Rules()
GRANTABLE = frozenset(Action) - {Action.LOGIN}
EVERY_USER_EVERYTHING = Rules((Rule(GRANTABLE, ("**",), users=frozenset({EVERY_USER})),))
ANYONE_EVERYTHING = Rules((Rule(GRANTABLE | {Action.LOGIN}, ("**",), anonymous=True),))


def decide(rules: Rules, identity: Identity, action: Action, repository: str | None = None) -> Decision:
    """Whether `identity` may do `action`; `repository` is None where the action spans repositories (the catalog).

    To see a repository in the catalog takes `pull` of it besides: a name tells something, too.
    """
    who = "an anonymous caller" if identity.name is None else f"user {identity.name!r}"
    applying = rules.applying_to(identity)
    if action is Action.LOGIN:
        open_to_all = any(Action.LOGIN in rule.actions for rule in applying)
        allowed = identity.name is not None or open_to_all
        return Decision(allowed, f"{who} {'is let in' if allowed else 'has not logged in'}")
    if repository is None:
        return _decide_across(applying, action, who=who)
    granting = _granting(applying, action, repository)
    lacking = action if granting is None else None
    if action is Action.CATALOG and _granting(applying, Action.PULL, repository) is None:
        lacking = Action.PULL
    if granting is None or lacking is not None:
        return Decision(False, _why_denied(rules, applying, who=who, action=lacking or action, repository=repository))
    return Decision(True, f"{granting.place} lets {who} {action.value} {repository!r}")


def _granting(applying: tuple[Rule, ...], action: Action, repository: str) -> Rule | None:
    return next((rule for rule in applying if action in rule.actions and rule.covers(repository)), None)


def _decide_across(applying: tuple[Rule, ...], action: Action, *, who: str) -> Decision:
    granting = next((rule for rule in applying if action in rule.actions), None)
    if action is Action.CATALOG and granting is not None:
        return Decision(True, f"{granting.place} lets {who} list repositories")
    return Decision(False, f"no rule lets {who} {action.value} across repositories")


def _why_denied(rules: Rules, applying: tuple[Rule, ...], *, who: str, action: Action, repository: str) -> str:
    """Names the nearest miss: what the caller's rules lack, or that no rule speaks of the caller at all."""
    if not rules.rules:
        return "there are no rules, so nobody may do anything"
    if not applying:
        return f"no rule names {who} or a group of theirs"
    matching = sorted({a.value for rule in applying if rule.covers(repository) for a in rule.actions})
    if matching:
        return f"the rules for {who} on {repository!r} give {', '.join(matching)}, not {action.value}"
    return f"no rule for {who} matches the repository {repository!r}"
