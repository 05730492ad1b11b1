"""A profile is data: `profiles/NAME.toml` names images, file trees, secrets and a piece of Compose file.

    summary = "one line for `stackgen profiles`"
    compose = "compose.NAME.yaml.j2"      # in templates/: a compose file whose sections join compose.yaml's
    trees = ["prometheus"]                # asset folders: *.j2 is rendered and loses the suffix, the rest is copied
    [images]
    prometheus = "prom/prometheus:v3.5.3" # {{ images.prometheus | yaml }} in templates; `stackgen pin` finds the digest
    [[secrets]]
    path = "grafana-secrets/admin_password"  # made once; below the stack's folder
    rotate = "grafana"                    # and, where `stackgen rotate grafana` can change it: the service that
    service = "grafana"                   # keeps a copy in a volume, and its command that takes a new one from
    volume = "grafana_data"               # standard input
    command = ["grafana", "cli", …]

`base` is the stack itself. Every profile is rendered always; COMPOSE_PROFILES says which of them run.
"""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stackgen.assets import asset_root

if TYPE_CHECKING:
    from pathlib import Path

BASE = "base"


@dataclass(frozen=True, slots=True)
class KeptSecret:
    """A secret's file of which a service keeps a copy in a volume. `command`, in the service, takes a new one."""

    rotate: str
    path: str
    service: str
    volume: str
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Profile:
    """One `profiles/NAME.toml`."""

    name: str
    summary: str
    compose: str | None = None
    trees: tuple[str, ...] = ()
    images: dict[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    kept_secrets: tuple[KeptSecret, ...] = ()

    @property
    def secret_folders(self) -> tuple[str, ...]:
        """The folders of a stack in which its secrets lie."""
        return tuple(dict.fromkeys(path.partition("/")[0] for path in self.secrets))


def parse_profile(name: str, text: str) -> Profile:
    """A profile from its TOML; ValueError for keys that mean nothing, so that a typo isn't skipped in silence."""
    data = tomllib.loads(text)
    if unknown := set(data) - {"summary", "compose", "trees", "images", "secrets"}:
        raise ValueError(f"profile {name}: unknown keys {', '.join(sorted(unknown))}")
    return Profile(
        name=name,
        summary=data["summary"],
        compose=data.get("compose"),
        trees=tuple(data.get("trees", ())),
        images=dict(data.get("images", {})),
        secrets=tuple(secret["path"] for secret in data.get("secrets", ())),
        kept_secrets=tuple(
            KeptSecret(**(secret | {"command": tuple(secret["command"])}))
            for secret in data.get("secrets", ())
            if set(secret) != {"path"}
        ),
    )


def kept_secrets(names: tuple[str, ...] | None = None) -> dict[str, KeptSecret]:
    """Word after `stackgen rotate` → secret, of every profile or of those named."""
    profiles = [profile for profile in load_profiles() if names is None or profile.name in names]
    return {secret.rotate: secret for profile in profiles for secret in profile.kept_secrets}


@functools.cache
def load_profiles(folder: Path | None = None) -> tuple[Profile, ...]:
    """Every profile, the base first, the others by name."""
    files = sorted(
        (folder or asset_root() / "profiles").glob("*.toml"), key=lambda path: (path.stem != BASE, path.stem)
    )
    return tuple(parse_profile(path.stem, path.read_text(encoding="utf-8")) for path in files)
