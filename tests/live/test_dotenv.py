"""Docker Compose reads from `.env` what we read from it: thousands of values in a few runs."""

from __future__ import annotations

import json
import random
import subprocess

import pytest

from stackgen.dotenv import parse_dotenv, quote

pytestmark = pytest.mark.live
PIECES = [
    *"ab1 '\"\\$#:={}[]()!@%^&*;,.?/|~`<>+-_\t",
    "\n",
    " #",
    "$$",
    "\\n",
    "\\$",
    "\\'",
    '\\"',
    "ü",
    "日本",
    "🐳",
    "${X}",
]
COUNT = 1500


def seen_by_compose(folder, lines):
    """Name → value as Compose has it for `services.one.labels`."""
    (folder / ".env").write_text("".join(line + "\n" for line in lines.values()))
    labels = {name: f"${{{name}}}" for name in lines}
    (folder / "compose.yaml").write_text(json.dumps({"services": {"one": {"image": "one", "labels": labels}}}))
    command = ["docker", "compose", "config", "--format", "json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    seen = json.loads(done.stdout)["services"]["one"]["labels"]
    return {name: value.replace("$$", "$") for name, value in seen.items()}


def random_text(source, longest=12):
    """A few pieces in a row."""
    return "".join(source.choices(PIECES, k=source.randrange(longest)))


def test_a_quoted_value_reaches_compose_unchanged(engine, tmp_path):
    """Whatever `quote` writes."""
    source = random.Random(1)
    values = {f"V{number}": random_text(source) for number in range(COUNT)}
    assert seen_by_compose(tmp_path, {name: f"{name}={quote(value)}" for name, value in values.items()}) == values


def test_a_line_that_we_take_means_the_same_to_compose(engine, tmp_path):
    """Lines as a person might type them: taken by us and read alike by Compose, or refused by us."""
    source = random.Random(2)
    lines, values = {}, {}
    for number in range(COUNT):
        name = f"V{number}"
        text = source.choice(["{}", "'{}'", '"{}"', " {} ", "{} # x"]).format(random_text(source, 8))
        parsed = parse_dotenv(f"{name}={text}\nEND=1")
        if not parsed.problems and set(parsed.values()) == {name, "END"}:
            lines[name], values[name] = f"{name}={text}", parsed.values()[name]
    assert len(values) > COUNT / 4
    assert seen_by_compose(tmp_path, lines) == values
