"""The base images under the names that the rendered stack uses: the real ones, else stand-ins of Debian packages."""

from __future__ import annotations

import hashlib
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from . import debian
from .machine import MachineError, answers, cache_folder, run, say

_HERE = Path(__file__).parent
_LABEL = "stackgen.standin"


@dataclass(frozen=True, slots=True)
class Image:
    """One image of images.toml; `standin` and `suite` are empty where none can be made."""

    name: str
    standin: str = ""
    suite: str = ""

    @property
    def dockerfile(self) -> str:
        """The stand-in's recipe."""
        return (_HERE / "standins" / f"{self.standin}.Dockerfile").read_text()

    @property
    def fingerprint(self) -> str:
        """Changes with whatever the stand-in is made of."""
        return hashlib.sha256(f"{self.suite}\n{self.dockerfile}".encode()).hexdigest()[:16]


def load() -> list[Image]:
    """The catalogue, images.toml."""
    tables = tomllib.loads((_HERE / "images.toml").read_text())["images"]
    return [Image(name, **fields) for name, fields in tables.items()]


def ensure() -> list[Image]:
    """Make each image present that can be had; returns those that cannot."""
    wanted = [image for image in load() if not _is_current(image)]
    unreachable: set[str] = set()
    left = [image for image in wanted if not _pull(image, unreachable)]
    to_make = [image for image in left if image.standin]
    if to_make:
        _make_bases(sorted({image.suite for image in to_make}))
        for image in to_make:
            _make(image)
    return [image for image in left if not image.standin]


def _is_current(image: Image) -> bool:
    """Whether the real image, or a stand-in of the present recipe, is there."""
    try:
        label = run(
            ["docker", "image", "inspect", "-f", f'{{{{index .Config.Labels "{_LABEL}"}}}}', image.name], within=20
        )
    except MachineError:
        return False
    return label.strip() in {"", "<no value>"} or label.strip() == image.fingerprint


def _pull(image: Image, unreachable: set[str]) -> bool:
    """Whether the real image came; a registry that did not answer once is not asked again."""
    first, _, rest = image.name.partition("/")
    registry = first if rest and "." in first else "docker.io"
    if registry in unreachable:
        return False
    try:
        run(["docker", "pull", "--quiet", image.name], within=300)
    except MachineError as problem:
        say(f"{registry} gives no {image.name}: {str(problem).splitlines()[-1]}")
        unreachable.add(registry)
        return False
    say(f"pulled {image.name}")
    return True


def _base(suite: str) -> str:
    return f"stackgen-standin/debian:{suite}"


def _make_bases(suites: list[str]) -> None:
    with ThreadPoolExecutor() as pool:
        archives = list(pool.map(lambda suite: debian.bootstrap(suite, cache_folder() / f"{suite}.tar"), suites))
    for suite, archive in zip(suites, archives, strict=True):
        if not answers(["docker", "image", "inspect", _base(suite)]):
            run(["docker", "import", archive, _base(suite)], within=120)


def _make(image: Image) -> None:
    say(f"building a stand-in for {image.name}")
    run(
        [
            *("docker", "build", "--progress=plain", "--network=host", "--tag", image.name),
            *("--build-arg", f"BASE={_base(image.suite)}", "--label", f"{_LABEL}={image.fingerprint}", "-"),
        ],
        within=420,
        stdin=image.dockerfile,
    )
