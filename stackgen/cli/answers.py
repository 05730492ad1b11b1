"""What `init` was told on its command line: one answer for each setting, and how it was typed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from registry_app.plain_text import named, quoted
from stackgen.env_file import NAMES, near_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

OPTIONS = {
    "domain": "SERVICE_DOMAIN",
    "https_port": "HTTPS_PORT",
    "http_port": "HTTP_PORT",
    "tls": "TLS",
    "proxy": "PROXY",
    "storage_dir": "STORAGE_DIR",
    "admin_user": "REGISTRY_ADMIN_USER",
    "project_name": "COMPOSE_PROJECT_NAME",
    "profiles": "COMPOSE_PROFILES",
}
"""Parameter of the command → the setting that it answers."""
_FLAGS = {"profiles": "--profile"}


@dataclass(frozen=True, slots=True)
class Answer:
    """A setting's value, and what the user typed to give it."""

    value: str
    typed: str

    def instead(self, value: str) -> str:
        """What to type to give another value."""
        return f"{self.typed}{'=' if self.typed.startswith('--set') else ' '}{value}"


def gather_answers(options: Mapping[str, object], pairs: Sequence[str]) -> dict[str, Answer]:
    """Setting → answer; UsageError for an empty one, an unknown setting, and two that contradict each other."""
    answers: dict[str, Answer] = {}
    for name, answer in (*_from_options(options), *_from_pairs(pairs)):
        before = answers.setdefault(name, answer)
        if before.value != answer.value:
            said = " and ".join(f"{one.typed} says {quoted(one.value)}" for one in (before, answer))
            raise click.UsageError(f"{said}: give one of them")
    if answers.get("PROXY", _NOTHING).value == "none" and answers.get("HTTP_PORT", _NOTHING).value not in {"", "0"}:
        raise click.UsageError(f"{answers['HTTP_PORT'].typed} needs nginx, and {answers['PROXY'].typed} says none")
    return answers


_NOTHING = Answer("", "")


def _from_options(options: Mapping[str, object]) -> Iterator[tuple[str, Answer]]:
    for option, value in options.items():
        flag = _FLAGS.get(option, f"--{option.replace('_', '-')}")
        words = value if isinstance(value, tuple) else (value,)
        if "" in words:
            # A script's unset variable must not decide what the network reaches.
            raise click.UsageError(f"{flag} is empty: give it a value, or leave it out")
        if words and value is not None:
            yield OPTIONS[option], Answer(",".join(map(str, words)), flag)


def _from_pairs(pairs: Sequence[str]) -> Iterator[tuple[str, Answer]]:
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign:
            raise click.UsageError(f"--set {named(pair)}: write NAME=VALUE")
        if name not in NAMES:
            near = near_name(name)
            raise click.UsageError(
                f"--set {named(name)}: no such setting" + (f"; did you mean {near}?" if near else "")
            )
        yield name, Answer(value, f"--set {name}")
