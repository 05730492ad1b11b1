"""Settings and profiles to a StackPlan: every file of a stack with its bytes and mode. Pure but for reading assets."""

from __future__ import annotations

import functools
import hashlib
import re
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from registry_app import __version__
from stackgen import assets, folder
from stackgen.hosts import is_address, is_loopback
from stackgen.profiles import Profile, load_profiles
from stackgen.reference import example_env
from stackgen.registry_config import container_place, render_config
from stackgen.rendering import Renderer
from stackgen.values import parse_bytes, parse_duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from stackgen.settings import StackSettings

_TEMPLATE_SUFFIX = ".j2"
_SECTION = re.compile(r"^([a-z]+):[^\S\n]*\n", re.MULTILINE)
_TEXT, _PROGRAM = 0o644, 0o755
LOCAL_IMAGE = "stackgen-registry"


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file that a stack should hold: path below the stack's folder, content and mode."""

    path: str
    content: bytes
    mode: int = _TEXT


@dataclass(frozen=True, slots=True)
class StackPlan:
    """Every file that a stack should hold, in the order in which they are put in place; compose.yaml is the last."""

    files: tuple[PlannedFile, ...]
    names: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """What compose.yaml's templates were rendered with."""

    def file(self, path: str) -> PlannedFile:
        """The planned file of that path; KeyError when there is none."""
        for one in self.files:
            if one.path == path:
                return one
        raise KeyError(path)


@dataclass(frozen=True, slots=True)
class PlanInputs:
    """What a plan is made from, beside the package's own assets."""

    settings: StackSettings
    profiles: tuple[Profile, ...] = field(default_factory=load_profiles)
    pins: Mapping[str, str] = field(default_factory=dict)
    """Image reference as in the profiles → digest that `stackgen pin` found."""


def plan_stack(inputs: PlanInputs) -> StackPlan:
    """Every file of the stack that these inputs describe."""
    context = [_context_file(path, content) for path, content in _build_context(inputs)]
    names = template_names(inputs, context_hash=_hash_of(context))
    renderer = Renderer(names)
    config = _text("config.yml", render_config(inputs.settings, container_place(inputs.settings), version=__version__))
    trees = [_rendered(renderer, name, source) for name, source in _tree_files(inputs.profiles)]
    if inputs.settings.proxy != "nginx":
        trees = [one for one in trees if not one.path.startswith("nginx/")]
    # Compose makes a container anew when a label changes, not when a file in a folder that it mounts does.
    hashes = {"config": _short_hash([config])} | {
        top: _short_hash([one for one in trees if one.path.startswith(f"{top}/")])
        for top in dict.fromkeys(one.path.partition("/")[0] for one in trees)
    }
    if _is_inside(inputs.settings.configs_dir):
        trees.append(replace(config, path=f"{_normal(inputs.settings.configs_dir)}/{config.path}"))
    names |= {"hashes": hashes}
    own = [
        _text(".env.example", example_env()),
        _text(".gitignore", renderer.render("templates/gitignore.j2")),
        *context,
        *trees,
        _text(folder.COMPOSE, _compose(Renderer(names), inputs.profiles)),
    ]
    return StackPlan(tuple(own), names)


def compose_elsewhere(inputs: PlanInputs, plan: StackPlan, moved: Mapping[str, str]) -> bytes:
    """The plan's compose.yaml where it finds some folders of the stack in other places than theirs."""
    names = {**plan.names, "mounted": functools.partial(_mounted, moved=moved)}
    return _compose(Renderer(names), inputs.profiles).encode()


def template_names(inputs: PlanInputs, *, context_hash: str) -> dict[str, Any]:
    """The names that templates may use."""
    settings = inputs.settings
    images = {
        name: _pinned(reference, inputs.pins) for one in inputs.profiles for name, reference in one.images.items()
    }
    return {
        "settings": settings,
        "images": images,
        "registry_image": _registry_image(settings, context_hash),
        "secret_folders": [name for profile in inputs.profiles for name in profile.secret_folders],
        "builds_image": settings.registry_image is None,
        "server_names": [f"[{host}]" if ":" in host else host for host in _hosts(settings)],
        "answers_any_name": any(is_address(host) or is_loopback(host) for host in _hosts(settings)),
        "reading_groups": dict.fromkeys((str(settings.secrets_gid), settings.registry_user.partition(":")[2])),
        "mounted": functools.partial(_mounted, moved={}),
        "version": __version__,
        "size": parse_bytes,
        "seconds": parse_duration,
    }


def mounted_folders(inputs: PlanInputs) -> tuple[str, ...]:
    """The folders of the stack that we write and compose.yaml mounts or builds from."""
    trees = [tree for profile in inputs.profiles for tree in profile.trees]
    config = [_normal(inputs.settings.configs_dir)] if _is_inside(inputs.settings.configs_dir) else []
    return tuple(dict.fromkeys(["registry", *trees, *config]))


def _mounted(path: str, moved: Mapping[str, str]) -> str:
    return moved.get(_normal(path), path) if _is_inside(path) else path


def _hosts(settings: StackSettings) -> tuple[str, ...]:
    """Every name that nginx answers to."""
    own = ("localhost", "127.0.0.1", "::1") if settings.is_local else ()
    return tuple(dict.fromkeys((settings.host, settings.service_domain, *own)))


def _registry_image(settings: StackSettings, context_hash: str) -> str:
    """The image to run: the tag of one built here names its build context, so that a changed one is built anew."""
    tag = settings.registry_version
    if settings.registry_image:
        return f"{settings.registry_image}:{tag}" if tag else settings.registry_image
    return f"{LOCAL_IMAGE}:{tag or f'{__version__}-{context_hash[:12]}'}"


def _pinned(reference: str, pins: Mapping[str, str]) -> str:
    return f"{reference}@{pins[reference]}" if reference in pins else reference


def _build_context(inputs: PlanInputs) -> Iterator[tuple[str, bytes]]:
    """Everything that `docker build registry/` needs: the package's own files and locked requirements."""
    python = next(one.images["python"] for one in inputs.profiles if "python" in one.images)
    template = Renderer({"python_image": _pinned(python, inputs.pins)})
    for path, source in assets.tree("templates/registry"):
        name = path.removeprefix("templates/")
        if name.endswith(_TEMPLATE_SUFFIX):
            yield name.removesuffix(_TEMPLATE_SUFFIX), template.render(path).encode()
        else:
            yield name, source.read_bytes()
    yield "registry/requirements.txt", assets.requirements_lock()
    for path, content in assets.service_sources():
        yield f"registry/{path}", content


def _context_file(path: str, content: bytes) -> PlannedFile:
    return PlannedFile(path, content, _PROGRAM if content.startswith(b"#!") else _TEXT)


def _hash_of(files: list[PlannedFile]) -> str:
    """One hash over paths, modes and contents of a build context."""
    total = hashlib.sha256()
    for one in files:
        total.update(f"{one.path}\0{one.mode:o}\0{hashlib.sha256(one.content).hexdigest()}\0".encode())
    return total.hexdigest()


def _short_hash(files: list[PlannedFile]) -> str:
    return _hash_of(files)[:12]


def _tree_files(profiles: tuple[Profile, ...]) -> Iterator[tuple[str, Any]]:
    return chain.from_iterable(assets.tree(tree) for profile in profiles for tree in profile.trees)


def _rendered(renderer: Renderer, path: str, source: Any) -> PlannedFile:
    if path.endswith(_TEMPLATE_SUFFIX):
        return _text(path.removesuffix(_TEMPLATE_SUFFIX), renderer.render(path))
    return PlannedFile(path, source.read_bytes())


def _text(path: str, text: str) -> PlannedFile:
    return PlannedFile(path, text.encode())


def _compose(renderer: Renderer, profiles: tuple[Profile, ...]) -> str:
    """compose.yaml: the base's sections, each followed by the same section of every profile's fragment."""
    texts = [renderer.render(f"templates/{profile.compose}") for profile in profiles if profile.compose]
    head, sections = split_sections(texts[0])
    for text in texts[1:]:
        for name, body in split_sections(text)[1].items():
            sections[name] = sections.get(name, "").rstrip("\n") + "\n" + body
    return head + "\n".join(f"{name}:\n{body.strip(chr(10))}\n" for name, body in sections.items())


def split_sections(text: str) -> tuple[str, dict[str, str]]:
    """(text before the first section, section name → indented body) of a compose file."""
    matches = list(_SECTION.finditer(text))
    ends = [match.start() for match in matches[1:]] + [len(text)]
    head = text[: matches[0].start()] if matches else text
    return head, {match[1]: text[match.end() : end] for match, end in zip(matches, ends, strict=True)}


def _is_inside(path: str) -> bool:
    """Whether a folder of a setting lies in the stack, so that we render into it."""
    return not path.startswith("/") and ".." not in path.split("/")


def _normal(path: str) -> str:
    return "/".join(part for part in path.split("/") if part not in {"", "."})
