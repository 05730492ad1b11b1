"""The access file: who may do what, as YAML that people write. See docs/access.md."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from yaml.constructor import ConstructorError

from registry_app.auth.identity import Action
from registry_app.auth.policy import EVERY_USER, Rule, Rules
from registry_app.auth.user_names import check_user_name
from registry_app.auth.watched import FileRefusedError

_GLOB_COMPONENT = re.compile(r"\*\*|[a-z0-9*?][a-z0-9*?._-]*")

GrantableAction = Literal["pull", "push", "delete", "catalog"]


def _check_glob(glob: str) -> str:
    for part in glob.split("/"):
        if not _GLOB_COMPONENT.fullmatch(part) or ("**" in part and part != "**"):
            raise ValueError(
                "is no repository glob: parts of a-z 0-9 . _ - with * and ?, or ** for any number of parts"
            )
    return glob


def _check_name(name: str) -> str:
    check_user_name(name)
    return name


def _check_user(name: str) -> str:
    return name if name == EVERY_USER else _check_name(name)


Glob = Annotated[str, AfterValidator(_check_glob)]
Name = Annotated[str, AfterValidator(_check_name)]
User = Annotated[str, AfterValidator(_check_user)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class RuleModel(_Strict):
    """One rule: to whom, where, what."""

    repositories: Annotated[list[Glob], Field(min_length=1)]
    actions: Annotated[list[GrantableAction], Field(min_length=1)]
    users: list[User] = []
    groups: list[Name] = []
    anonymous: bool = False

    @model_validator(mode="after")
    def _check(self) -> RuleModel:
        if not (self.users or self.groups or self.anonymous):
            raise ValueError("names nobody: add users, groups or anonymous: true")
        if self.anonymous and (set(self.actions) & {"push", "delete"}):
            raise ValueError("gives push or delete to anonymous callers: they may pull and catalog only")
        return self


class AccessModel(_Strict):
    """The whole file."""

    version: Literal[1]
    groups: dict[Name, list[User]] = {}
    rules: list[RuleModel]

    @model_validator(mode="after")
    def _check(self) -> AccessModel:
        unknown = sorted({g for rule in self.rules for g in rule.groups} - set(self.groups))
        if unknown:
            raise ValueError(f"rules name groups that are not under groups: {', '.join(unknown)}")
        if any(EVERY_USER in members for members in self.groups.values()):
            raise ValueError(f"a group can't hold {EVERY_USER!r}: name it under a rule's users")
        return self


class _Loader(yaml.SafeLoader):
    """The safe loader without aliases; its constructors raise yaml.YAMLError alone, not what comes on `!!bool xyz`."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """A few nested aliases can stand for billions of nodes; nobody needs one here."""
        if self.check_event(yaml.AliasEvent):
            line = self.peek_event().start_mark.line + 1  # type: ignore[no-untyped-call]
            raise FileRefusedError(f"line {line}: aliases (*name) are not used here")
        return super().compose_node(parent, index)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 (PyYAML's own)
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError, TypeError, ArithmeticError):
            kind = node.tag.rpartition(":")[2]
            raise ConstructorError(None, None, f"this can't be read as {kind}", node.start_mark) from None


def parse_access_file(content: bytes) -> Rules:
    """The rules of an access file. Raises FileRefusedError with every mistake, each with its line."""
    try:
        loader = _Loader(content)
        node = loader.get_single_node()
        _refuse_duplicates(node)
        raw = None if node is None else loader.construct_document(node)
    except yaml.YAMLError as error:
        raise FileRefusedError(_yaml_problem(error)) from None
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        raise FileRefusedError(f"is not YAML that can be read: {type(error).__name__}") from None
    if not isinstance(raw, dict):
        raise FileRefusedError(f"{'is empty' if raw is None else 'line 1: is no mapping'}: it has a version and rules")
    try:
        model = AccessModel.model_validate(raw)
    except ValidationError as error:
        problems = (_describe(node, e["loc"], e["msg"]) for e in error.errors(include_url=False, include_input=False))
        raise FileRefusedError("; ".join(problems)) from None
    return Rules(
        tuple(_rule(rule, _line_of(node, ("rules", index))) for index, rule in enumerate(model.rules)),
        {group: frozenset(members) for group, members in model.groups.items()},
    )


def _rule(model: RuleModel, line: int) -> Rule:
    return Rule(
        frozenset(Action(action) for action in model.actions),
        tuple(model.repositories),
        users=frozenset(model.users),
        groups=frozenset(model.groups),
        anonymous=model.anonymous,
        place=f"the rule on line {line}",
    )


def _refuse_duplicates(node: yaml.Node | None) -> None:
    """YAML readers silently keep the last of two equal keys, and a rule would lose its users that way."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if str(key.value) in seen:
                raise FileRefusedError(f"line {key.start_mark.line + 1}: {key.value!r} is there for the second time")
            seen.add(str(key.value))
            _refuse_duplicates(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_duplicates(item)


def _yaml_problem(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return f"line {error.problem_mark.line + 1}: is not YAML: {error.problem or error.context}"
    return f"is not YAML: {type(error).__name__}"


def _describe(node: yaml.Node | None, place: tuple[int | str, ...], message: str) -> str:
    path = ".".join(str(part) for part in place)
    return f"line {_line_of(node, place)}: {path + ' ' if path else ''}{message.removeprefix('Value error, ')}"


def _line_of(node: yaml.Node | None, place: tuple[int | str, ...]) -> int:
    """The line, from 1, of the deepest node on the way to `place`."""
    line = 1
    for part in ("", *place):
        if part != "":
            node = _child(node, part)
        if node is None:
            break
        line = node.start_mark.line + 1
    return line


def _child(node: yaml.Node | None, part: int | str) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == part), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        found: Any = node.value[part]
        return found if isinstance(found, yaml.Node) else None
    return None


DEFAULT_ACCESS = b"""\
# Who may do what. Read again whenever it changes; a mistake leaves the last good rules in force and is reported.
# What no rule allows is denied. Try a rule: stackgen access check USER ACTION REPOSITORY
#
#   repositories  *  and ? match within one part of a name, ** any number of parts
#   actions       pull, push, delete, catalog
#   users         names from htpasswd, or "*" for everyone who has logged in
#   groups        from the table of groups
#   anonymous     true: nobody needs to log in for this (pull and catalog only)
version: 1
groups: {}
rules:
  - users: ["*"]
    repositories: ["**"]
    actions: [pull, push, delete, catalog]
"""
"""The file that a new stack begins with: as registry:2 does it, every user may do everything."""
