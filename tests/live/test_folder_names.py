"""A stack's folder may be called what people call folders: Compose takes it, or init has refused it."""

from __future__ import annotations

import json
import random
import string
import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml

from stackgen.errors import StackgenError
from stackgen.founding import check_target

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.live
ODD = "".join(sorted(set(string.punctuation) - set("/%"))) + " é日🐳"
PROJECT = {
    "name": "odd",
    "services": {
        "one": {
            "build": {"context": "./registry"},
            "volumes": [{"type": "bind", "source": "./nginx", "target": "/etc/nginx", "read_only": True}],
        }
    },
}


def random_name(source: random.Random) -> str:
    """A few odd characters and percent signs among letters and digits."""
    return "n" + "".join(source.choices([*ODD, "%", "%4", "%41", "a", "7"], k=9)) + "n"


def is_taken(folder: Path) -> bool:
    """Whether init would make a stack there."""
    try:
        check_target(folder)
    except StackgenError:
        return False
    return True


def seen_by_compose(folder: Path) -> tuple[str, str] | None:
    """What it mounts and what it builds from; None where it stops."""
    folder.mkdir()
    (folder / "compose.yaml").write_text(yaml.safe_dump(PROJECT))
    command = ["docker", "compose", "config", "--format", "json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        return None
    service = json.loads(done.stdout)["services"]["one"]
    # `config` prints what can be read again, with each $ doubled.
    mounted, context = service["volumes"][0]["source"], service["build"]["context"]
    return mounted.replace("$$", "$"), context.replace("$$", "$")


def test_a_folder_that_init_takes_is_one_that_compose_finds(engine: None, tmp_path: Path) -> None:
    """And what it refuses, Compose stops at; but for some behind a ?, which are not worth a rule of their own."""
    source = random.Random(7)
    names = [f"a{ODD}b", "100%", "50%41 $HOME ${X}", *(random_name(source) for _ in range(12))]
    verdicts = {}
    for name in names:
        folder = tmp_path / name
        verdicts[name] = is_taken(folder)
        seen = seen_by_compose(folder)
        if verdicts[name]:
            assert seen == (str(folder / "nginx"), str(folder / "registry")), name
        elif "?" not in name:
            assert seen is None, name
    assert set(verdicts.values()) == {True, False}
