"""What linters say of every combination of options is nothing, or is explained in the file: `# lint: RULE: why`."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml

from tests.stackgen.combinations import OPTIONS, all_pairs, plan_of, write_plan_to

BIN = Path(sys.executable).parent
PAIRS = all_pairs()


@pytest.fixture
def place():
    """A folder that no rule about folders of the host is meant for: a TMPDIR below /dev/shm would be one."""
    with TemporaryDirectory(dir="/var/tmp") as folder:
        yield Path(folder)


def explained(path):
    """The rules that a file explains itself."""
    return set(re.findall(r"^\s*# lint: ([\w-]+): \S", path.read_text(), re.MULTILINE))


def findings(command, rule):
    """The rules that a linter with JSON output finds broken."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    data = json.loads(done.stdout)
    return {str(one[rule]) for one in (data["findings"] if isinstance(data, dict) else data)}


def lint(folder):
    """Rules by file that are broken and not explained."""
    compose, nginx, dockerfile = (folder / name for name in ("compose.yaml", "nginx/nginx.conf", "registry/Dockerfile"))
    check = [BIN / "compose-lint", "check", "--format", "json", "--no-env", compose]
    unexplained = {"compose.yaml": findings(check, "rule_id") - explained(compose)}
    if nginx.exists():
        unexplained["nginx.conf"] = findings([BIN / "gixy", "-f", "json", nginx], "plugin") - explained(nginx)
    unexplained["Dockerfile"] = findings([BIN / "hadolint", "-f", "json", dockerfile], "code") - explained(dockerfile)
    return {name: rules for name, rules in unexplained.items() if rules}


def test_the_linters_find_what_is_wrong(place):
    """They run and read these files: a privileged service and a missing header would be seen."""
    folder = write_plan_to(place, {"SERVICE_DOMAIN": "registry.example.com"})
    compose = folder / "compose.yaml"
    compose.write_text(compose.read_text().replace("  nginx:\n", "  nginx:\n    privileged: true\n"))
    nginx = folder / "nginx/nginx.conf"
    nginx.write_text(nginx.read_text().replace("server_tokens off", "server_tokens on").replace("# lint", "#"))
    (folder / "registry/Dockerfile").write_text("FROM debian:latest\nRUN cd /\n")
    assert set(lint(folder)) == {"compose.yaml", "nginx.conf", "Dockerfile"}


def test_the_usual_stack_has_no_unexplained_finding(place):
    """compose-lint, gixy and hadolint on what `init` writes."""
    assert lint(write_plan_to(place, {"SERVICE_DOMAIN": "registry.example.com"})) == {}


@pytest.mark.slow
def test_no_combination_of_options_has_an_unexplained_finding(place):
    """The same for each of the combinations in which every two options meet."""
    for number, values in enumerate(PAIRS):
        assert lint(write_plan_to(place / str(number), values)) == {}, values


@pytest.mark.slow
def test_prometheus_reads_every_combination(place):
    """`promtool check config`, rules included; once for each text that is another one."""
    if (promtool := shutil.which("promtool")) is None:
        pytest.skip("promtool is not here: scripts/prerequisites installs it")
    seen = set()
    for number, values in enumerate(PAIRS):
        folder = write_plan_to(place / str(number), values) / "prometheus"
        if (text := (folder / "prometheus.yml").read_text()) not in seen:
            seen.add(text)
            check = [promtool, "check", "config", folder / "prometheus.yml"]
            done = subprocess.run(check, capture_output=True, text=True, check=False)
            assert done.returncode == 0, (values, done.stdout, done.stderr)
            # The settings and both files of rules; some versions say more.
            assert done.stdout.count("SUCCESS") >= 3, done.stdout
    assert len(seen) > 3


def test_every_two_values_of_options_meet():
    """The combinations are what they are said to be."""
    for first in OPTIONS:
        for second in OPTIONS:
            if first < second:
                met = {(one[first], one[second]) for one in PAIRS}
                assert len(met) == len(OPTIONS[first]) * len(OPTIONS[second])


def test_every_combination_renders_the_same_bytes_twice_and_parses():
    """No set order, clock or random number in a plan; every YAML is one."""
    for values in PAIRS:
        plan = plan_of(values)
        assert plan == plan_of(values)
        for one in plan.files:
            if one.path.endswith((".yaml", ".yml")):
                assert yaml.safe_load(one.content)
