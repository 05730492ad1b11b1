"""What a scenario is: something done to a registry, a unit, and the goals it is held to."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.looks import Look
    from bench.sample import Sample
    from bench.stand import Stand
    from bench.tree import Tree


class Kind(Enum):
    """Which store a scenario needs: the large tree that all read, or an empty one of each contender's own."""

    READING = "reading"
    WRITING = "writing"


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of everything. Seconds, bytes and counts."""

    rounds: int
    seconds: float
    repositories: int
    many_tags: int
    large_blob: int
    pushed_blob: int
    pushed_blobs_size: int
    small_blobs: int
    layer: int
    huge: int
    started_repositories: int


FULL = Scale(
    rounds=3,
    seconds=4,
    repositories=1000,
    many_tags=10_000,
    large_blob=300 << 20,
    pushed_blob=1 << 30,
    pushed_blobs_size=256 << 20,
    small_blobs=500,
    layer=4 << 20,
    huge=5 << 30,
    started_repositories=10_000,
)
SHORT = Scale(
    rounds=1,
    seconds=1,
    repositories=20,
    many_tags=200,
    large_blob=32 << 20,
    pushed_blob=32 << 20,
    pushed_blobs_size=8 << 20,
    small_blobs=40,
    layer=64 << 10,
    huge=128 << 20,
    started_repositories=100,
)


@dataclass(frozen=True, slots=True)
class Goal:
    """Our median in units of a contender's: at least `bound` where more is better, at most where less is."""

    against: str
    bound: float


@dataclass(frozen=True, slots=True)
class Context:
    """What a scenario may use besides the stand; in `due` it leaves what is to be looked at once its time is taken."""

    scale: Scale
    tree: Tree
    round: int
    due: list[Look] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """`cold`: the registry has just been started and the page cache emptied. `only`: the contenders that can do it."""

    key: str
    title: str
    unit: str
    kind: Kind
    run: Callable[[Stand, Context], Sample]
    more_is_better: bool = True
    cold: bool = False
    goals: tuple[Goal, ...] = ()
    with_static: bool = False
