"""The two nouns every decision is about: who calls, and what they want to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Action(Enum):
    """What a route asks for. All but LOGIN can be granted by a rule of the access file."""

    PULL = "pull"
    PUSH = "push"
    DELETE = "delete"
    CATALOG = "catalog"
    LOGIN = "login"  # nothing but being somebody: the `/v2/` ping, on which clients decide whether to log in


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller whose claim was verified. `name` is None for one who made no claim.

    `groups` are those that came with the claim (a token may carry them); the access file adds its own.
    """

    name: str | None = None
    groups: frozenset[str] = frozenset()


ANONYMOUS = Identity()
