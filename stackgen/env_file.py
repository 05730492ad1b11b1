"""From `.env` to StackSettings: every error at once, with its line, its reason and its remedy."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from registry_app.plain_text import named, quoted
from registry_app.regular_files import read_named
from stackgen.dotenv import ParsedEnv, Problem, parse_dotenv
from stackgen.errors import StackgenError
from stackgen.placement import find_misplaced
from stackgen.profiles import BASE, load_profiles
from stackgen.settings import StackSettings
from stackgen.shell import shell_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from stackgen.folder import StackFolder

# Variables that users of Compose set in `.env` and that are near some of ours.
_OF_COMPOSE = (
    "ANSI|API_VERSION|BAKE|CONVERT_WINDOWS_PATHS|DISABLE_ENV_FILE|DOCKER_CLI_BUILD|ENV_FILES|EXPERIMENTAL|FILE|"
    "HTTP_TIMEOUT|IGNORE_ORPHANS|MENU|PARALLEL_LIMIT|PATH_SEPARATOR|PROGRESS|REMOVE_ORPHANS|STATUS_STDOUT"
)
_OF_OTHERS = re.compile(rf"COMPOSE_({_OF_COMPOSE})|(DOCKER|BUILDKIT|BUILDX)_\w+|(HTTPS?|NO|ALL|FTP)_PROXY|TZ|PATH")
_ALIKE = 0.82
MOST_PROBLEMS = 100
"""Of more than that nobody reads on: it is another kind of file."""


@dataclass(frozen=True, slots=True)
class ReadSettings:
    """What a `.env` amounts to: settings when there is no problem, and names that are none of ours."""

    settings: StackSettings | None
    problems: tuple[Problem, ...]
    foreign: tuple[str, ...]


def read_settings(text: str, *, root: Path | None = None) -> ReadSettings:
    """Settings or all problems of a `.env` text, for the stack in `root` where that is known; never raises."""
    parsed = parse_dotenv(text)
    known = {name: value for name, value in parsed.values().items() if name in NAMES}
    foreign = [name for name in parsed.values() if name not in NAMES]
    problems = [*parsed.problems, *_near_misses(parsed, foreign), *_emptied(parsed)]
    try:
        settings = StackSettings.model_validate(_given(known))
    except ValidationError as error:
        problems += _problems_of(error, parsed)
        wrong = {str(one["loc"][0]).upper() for one in error.errors()}
        settings = StackSettings.model_validate(_given({n: v for n, v in known.items() if n not in wrong}))
        problems += [p for p in _contradictions(settings, parsed, root) if p.name not in wrong]
    else:
        problems += _contradictions(settings, parsed, root)
    problems.sort(key=lambda problem: problem.line)
    return ReadSettings(None if problems else settings, tuple(problems), tuple(foreign))


def load_settings(folder: StackFolder) -> StackSettings:
    """The settings of a stack; StackgenError with every problem of its `.env`."""
    read = read_settings(read_env(folder), root=folder.root)
    if read.settings is None:
        raise StackgenError(describe(read.problems), hint=f"edit {shell_line(folder.env)}, then run the command again")
    return read.settings


def read_env(folder: StackFolder) -> str:
    """The text of a stack's `.env`; StackgenError when it can't be read as text."""
    try:
        return read_named(folder.env).decode()
    except FileNotFoundError:
        raise StackgenError(
            f"there is no stack in {folder.root}: {folder.env.name} is missing",
            hint=f"make one: {shell_line('stackgen', 'init', folder.root)}",
        ) from None
    except UnicodeDecodeError as error:
        raise StackgenError(
            f"{folder.env} is not UTF-8 text (byte {error.start})", hint="save it as UTF-8 without special formats"
        ) from None
    except OSError as error:
        raise StackgenError(
            f"{folder.env} can't be read: {error.strerror}", hint=f"look at it: {shell_line('ls', '-ld', folder.env)}"
        ) from None


def describe(problems: tuple[Problem, ...], *, typed: Mapping[str, str] | None = None) -> str:
    """One line of text for each problem and one for its remedy.

    `typed` tells what the user typed to give a setting, where that was not a line of a file.
    """
    count = "1 setting is" if len(problems) == 1 else f"{len(problems)} settings are"
    lines = [f"{count} not usable:"]
    for problem in problems[:MOST_PROBLEMS]:
        lines.append(f"  {_place(problem, typed)} {problem.reason}")
        if problem.remedy:
            lines.append(f"    -> {problem.remedy}")
    if len(problems) > MOST_PROBLEMS:
        lines.append(f"  and {len(problems) - MOST_PROBLEMS} more")
    return "\n".join(lines)


def _place(problem: Problem, typed: Mapping[str, str] | None) -> str:
    if typed is not None:
        return typed.get(problem.name, problem.name)
    return f"line {problem.line}: {problem.name}" if problem.line else problem.name


def _names() -> dict[str, str]:
    return {field.upper(): field for field in StackSettings.model_fields}


NAMES = _names()
"""Name in `.env` → field of StackSettings."""


def near_name(name: str, *, cutoff: float = 0.6) -> str:
    """The setting whose name is most like another one; empty when none is."""
    near = difflib.get_close_matches(name.upper(), NAMES, n=1, cutoff=cutoff)
    return near[0] if near else ""


def _given(values: Mapping[str, str]) -> dict[str, str]:
    """The settings that say something: empty means none, or is a problem of its own."""
    return {NAMES[name]: value for name, value in values.items() if value != ""}


def _extra(name: str) -> dict[str, Any]:
    extra = StackSettings.model_fields[NAMES[name]].json_schema_extra
    return extra if isinstance(extra, dict) else {}


def _problems_of(error: ValidationError, parsed: ParsedEnv) -> Iterator[Problem]:
    for one in error.errors():
        name = str(one["loc"][0]).upper()
        shown = quoted(parsed.values().get(name, ""))
        yield Problem(parsed.line_of(name), name, f"{shown} {_reason(one)}", str(_extra(name).get("remedy", "")))


def _reason(error: Any) -> str:
    """Why pydantic refused a value, as the end of a sentence that starts with the value."""
    match error["type"]:
        case "value_error":
            return str(error["ctx"]["error"])
        case "int_parsing" | "int_parsing_size":
            return "is not a whole number"
        case "bool_parsing":
            return "is neither true nor false"
        case "literal_error":
            return f"is not one of {error['ctx']['expected']}"
        case "greater_than_equal" | "less_than_equal":
            return "is out of range"
        case _:
            return f"is refused: {error['msg']}"


def _near_misses(parsed: ParsedEnv, foreign: list[str]) -> Iterator[Problem]:
    """Names that are probably one of ours, misspelt: silently ignoring them would be the worst answer."""
    for name in foreign:
        if _OF_OTHERS.fullmatch(name):
            continue
        if near := near_name(name, cutoff=_ALIKE):
            reason = f"is no setting; did you mean {near}?"
            yield Problem(parsed.line_of(name), named(name), reason, f"write {near}, or remove the line")


def _emptied(parsed: ParsedEnv) -> Iterator[Problem]:
    """Lines without a value where none is no choice: a default in its place might open what was closed."""
    for one in parsed.assignments:
        field = StackSettings.model_fields.get(NAMES.get(one.name, ""))
        if one.value or field is None or field.default in (None, (), ""):
            continue
        remedy = str(_extra(one.name).get("remedy", ""))
        yield Problem(one.line, one.name, "is empty", f"{remedy}; or leave it out for the default, {field.default}")


def _contradictions(settings: StackSettings, parsed: ParsedEnv, root: Path | None) -> Iterator[Problem]:
    """Values that are right alone and wrong together, or in this folder."""

    def problem(name: str, reason: str, remedy: str) -> Problem:
        return Problem(parsed.line_of(name), name, reason, remedy)

    known = [profile.name for profile in load_profiles() if profile.name != BASE]
    for profile in settings.compose_profiles:
        near = difflib.get_close_matches(profile, known, n=1, cutoff=_ALIKE)
        if profile not in known and near:
            yield problem("COMPOSE_PROFILES", f"names {quoted(profile)}; did you mean {near[0]}?", f"write {near[0]}")
    for name, other in _meeting_ports(settings.published_ports):
        port = settings.published_ports[name]
        yield problem(name, f"is {port}, and so is {other}", f"use two ports, or {name}=0")
    if settings.registry_version and settings.registry_image and _has_tag(settings.registry_image):
        yield problem(
            "REGISTRY_VERSION",
            f"is {settings.registry_version!r}, but REGISTRY_IMAGE already names a tag or digest",
            "remove one of the two",
        )
    if settings.proxy == "none" and settings.trusted_proxies:
        yield problem("TRUSTED_PROXIES", "needs nginx, and PROXY is none", "remove it, or set PROXY=nginx")
    for name in ("CERTS_DIR", "CONFIGS_DIR", "STORAGE_DIR"):
        if reason := find_misplaced(name, settings, root):
            yield problem(name, reason, f"use a folder of its own, such as ./{name.split('_')[0].lower()}")
    if settings.storage_dir and not settings.storage_dir.startswith(("/", "./", "../")):
        yield problem(
            "STORAGE_DIR",
            f"{quoted(settings.storage_dir)} would be taken for a volume's name",
            f"write an absolute path, or ./{named(settings.storage_dir)}",
        )


def _meeting_ports(ports: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """(setting, the one before it that has the same port)."""
    owners: dict[int, str] = {}
    for name, port in ports.items():
        if (first := owners.setdefault(port, name)) != name:
            yield name, first


def _has_tag(reference: str) -> bool:
    return "@" in reference or ":" in reference.rsplit("/", 1)[-1]
